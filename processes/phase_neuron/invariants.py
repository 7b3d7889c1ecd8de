"""What has to hold for phase neurons to run: shapes, tables and ranges."""

from __future__ import annotations

from processes.invariants import (
    WIDEST,
    Complaints,
    Shape,
    fits,
    further_spikes,
    has_shape,
    invariants,
    number_of,
    prefixes,
    reads,
    real_in_fixed_point,
    table,
    within,
)
from processes.phase_neuron import PhaseNeuron
from processes.phase_neuron.activations import activation
from processes.phase_neuron.schedule import LINEAR, FixedSchedule

reads.always("potentials", PhaseNeuron)
real_in_fixed_point.always(frozenset(), PhaseNeuron)


@invariants.of(PhaseNeuron)
def _(op: PhaseNeuron, shapes: list[Shape], steps: list[int]) -> Complaints:
    """A known function, a scale and tables for every step, tables of further spikes where the function needs them."""
    schedule = op.schedule
    yield from has_shape(op, shapes[0])
    yield from fits("scale", schedule.scale, op.shape)
    activation(schedule.function)  # raises where there is none of that name
    yield from further_spikes(op, schedule.code.steps, schedule.steps)
    if schedule.scale.ndim != len(op.shape) or schedule.code.steps > 2**14:
        yield f"scale has {schedule.scale.ndim} axes, the sample {len(op.shape)}, a window {schedule.steps} steps"
    if not isinstance(schedule, FixedSchedule):
        yield from table("unit", schedule.unit, schedule.scale.shape)
        return
    classes, window = schedule.pos.shape
    per_scale = (schedule.scale.shape, (1,) * schedule.scale.ndim, (1,))
    for field in ("mantissa", "shift", "scale_class"):
        yield from table(field, getattr(schedule, field), *per_scale)
    for field in ("pos", "lo", "hi"):
        yield from table(field, getattr(schedule, field), (classes, schedule.steps))
    yield from table("level", schedule.level, (schedule.steps,))
    yield from within("scale_class", schedule.scale_class, 0, classes - 1)
    yield from within("shift", schedule.shift, -WIDEST // 2, 2 * WIDEST - 2)  # coarse chips shift left
    yield from within("mantissa", schedule.mantissa, 1, 2**WIDEST)
    if op.spikes > 1 and schedule.function not in LINEAR:
        yield from prefixes(schedule.prefixes, op.spikes, window)
        yield from table("after", schedule.after, (classes, number_of(schedule.prefixes), 4, window))
