"""What has to hold for synapses to run: shapes, tables and ranges."""

from __future__ import annotations

import torch

from processes.invariants import Complaints, Shape, fits, has_shape, invariants, reads, real_in_fixed_point, table
from processes.synapse import ConvSynapse, DenseSynapse, ScaleSynapse

reads.always("spikes", DenseSynapse, ConvSynapse, ScaleSynapse)
real_in_fixed_point.always(frozenset(), DenseSynapse, ConvSynapse, ScaleSynapse)


@invariants.of(DenseSynapse)
def _(op: DenseSynapse, shapes: list[Shape], steps: list[int]) -> Complaints:
    """A weight (out, in) over the last axis, a bias per row, a trace entry per step."""
    rows = op.weight.shape[0]
    yield from table("weight", op.weight, (rows, shapes[0][-1]))
    yield from table("bias", op.bias, (rows,))
    yield from table("trace", op.trace, (steps[0],))
    yield from has_shape(op, (*shapes[0][:-1], rows))


@invariants.of(ConvSynapse)
def _(op: ConvSynapse, shapes: list[Shape], steps: list[int]) -> Complaints:
    """The shape that the convolution's geometry makes, a bias per channel, a trace entry per step."""
    x, weight = (torch.empty(shape, device="meta") for shape in (shapes[0], op.weight.shape))
    yield from table("bias", op.bias, (op.weight.shape[0],))
    yield from table("trace", op.trace, (steps[0],))
    yield from has_shape(op, tuple(torch.nn.functional.conv2d(x, weight, None, *op.geometry).shape))


@invariants.of(ScaleSynapse)
def _(op: ScaleSynapse, shapes: list[Shape], steps: list[int]) -> Complaints:
    """A weight that broadcasts to the operand, a trace entry per step, pooled axes of length 1."""
    yield from fits("weight", op.weight, shapes[0])
    yield from fits("bias", op.bias, op.shape)
    yield from table("trace", op.trace, (steps[0],))
    yield from has_shape(op, tuple(1 if axis in op.pool else n for axis, n in enumerate(shapes[0])))
