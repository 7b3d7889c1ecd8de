"""What phase neurons occupy on a chip."""

from __future__ import annotations

from processes.footprint import (
    NO_SYNAPSES,
    Amount,
    Neurons,
    drivers,
    fans,
    further_thresholds,
    layout,
    message,
    neurons,
)
from processes.phase_neuron import PhaseNeuron
from processes.phase_neuron.schedule import FixedSchedule

fans.of(PhaseNeuron)(message)
drivers.refuse(NO_SYNAPSES, PhaseNeuron)
layout.always("rows", PhaseNeuron)


@neurons.of(PhaseNeuron)
def _(op: PhaseNeuron, operands: int) -> Neurons:
    """Per core the tables of a scale class; per column a mantissa and last step; per neuron a potential and prefix."""
    tables = sum(table.shape[-1] for table in op.schedule.tables)
    tables += further_thresholds(op.schedule.after) if isinstance(op.schedule, FixedSchedule) else 0
    return Neurons(Amount(core=tables, column=1 + (op.latest is not None), neuron=1 + (op.spikes > 1)))
