"""Invariants of integrate-and-fire neurons."""

from __future__ import annotations

from processes.if_neuron import IfNeuron
from processes.invariants import Complaints, Shape, fits, has_shape, invariants, reads, real_in_fixed_point
from processes.phase_neuron.schedule import LINEAR

reads.always("potentials", IfNeuron)
real_in_fixed_point.always(frozenset(), IfNeuron)


@invariants.of(IfNeuron)
def _(op: IfNeuron, shapes: list[Shape], steps: list[int]) -> Complaints:
    """The function is identity or relu, and thresholds, steps and shares are in range; memory is for relu alone."""
    yield from has_shape(op, shapes[0])
    for field in ("scale", "threshold", "bias"):
        yield from fits(field, getattr(op, field), op.shape)
    if op.function not in LINEAR or op.steps < 1 or not (op.threshold > 0).all():
        yield f"{op.function} in {op.steps} steps at thresholds from {op.threshold.min()}"
    if not (0 <= op.initial <= 1 and 0 <= op.masked < 1):
        yield f"potentials of {op.initial:g} theta at first and {op.masked:g} of the spikes masked"
    if op.memory and op.function != "relu":
        yield f"a memory of what {op.function} has sent"
