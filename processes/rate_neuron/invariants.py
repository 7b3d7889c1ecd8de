"""Invariants of rate neurons."""

from __future__ import annotations

from processes.invariants import Complaints, Shape, has_shape, invariants, reads, real_in_fixed_point, table
from processes.phase_neuron.schedule import LINEAR
from processes.rate_neuron import RateNeuron

reads.always("potentials", RateNeuron)
real_in_fixed_point.always(frozenset(), RateNeuron)


@invariants.of(RateNeuron)
def _(op: RateNeuron, shapes: list[Shape], steps: list[int]) -> Complaints:
    """The function is linear or relu, there is one positive threshold, and at least one step."""
    yield from has_shape(op, shapes[0])
    yield from table("threshold", op.threshold, (1,))
    if op.function not in LINEAR or op.steps < 1 or not op.threshold[0] > 0:
        yield f"{op.function} in {op.steps} steps at a threshold of {op.threshold}"
