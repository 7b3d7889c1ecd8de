"""One rule for each operation: what shape its operands give it, and what lengths its tables have."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import torch

from processes.fixed import mantissa_limit
from processes.network import (
    Centre,
    ConvSynapse,
    DenseSynapse,
    DynamicThreshold,
    PhaseNeuron,
    RateNeuron,
    Readout,
    Residual,
    Route,
    ScaleSynapse,
    SiExp,
    SiNeuron,
    SiNorm,
    SquareSum,
    TraceProduct,
    Woss,
)
from processes.phase_neuron.activations import activation
from processes.phase_neuron.schedule import LINEAR, FixedSchedule
from processes.routing import route_shape

WIDEST = 32
"""Bits of a potential, steps of a shift."""
LARGEST_WEIGHT = mantissa_limit(8)

Shape = tuple[int, ...]


def _table(field: str, value: np.ndarray | None, *allowed: Shape) -> Iterator[str]:
    if value is None or value.shape not in allowed:
        held = "missing" if value is None else f"of shape {value.shape}"
        yield f"{field} is {held}, not of {' or '.join(map(str, allowed))}"


def _prefixes(value: np.ndarray | None, spikes: int, steps: int) -> Iterator[str]:
    if value is None or value.ndim != 2 or value.shape[1] != spikes - 1:
        held = "missing" if value is None else f"of shape {value.shape}"
        yield f"prefixes is {held}, not a row of {spikes - 1} codes for each table"
    elif value[0].any() or len(np.unique(value, axis=0)) < len(value):
        yield "prefixes must begin with that of nobody and hold none twice"
    yield from _within("prefixes", value, -steps, steps)


def _rows_of(prefixes: np.ndarray | None) -> int:
    return 0 if prefixes is None or prefixes.ndim == 0 else len(prefixes)


def _fits(field: str, value: np.ndarray, shape: Shape) -> Iterator[str]:
    pairs = zip(reversed(value.shape), reversed(shape), strict=False)
    if value.ndim > len(shape) or any(have not in (1, full) for have, full in pairs):
        yield f"{field} of shape {value.shape} does not fit {shape}"


def _within(field: str, value: np.ndarray | None, low: int, high: int) -> Iterator[str]:
    if value is not None and value.size and not (low <= value.min() and value.max() <= high):
        yield f"{field} leaves {low} .. {high}"


def _again(op: Any, most: int, steps: int) -> Iterator[str]:
    """Numbers of spikes, and until when second ones come."""
    if not 1 <= op.spikes <= most:
        yield f"{op.spikes} spikes"
    if op.latest is not None:
        yield from _fits("latest", op.latest, op.shape)
        yield from _within("latest", op.latest, 0, steps - 1)
        if op.latest.dtype.kind not in "iu":
            yield "latest is no step"


def _same(op: Any, shape: Shape) -> Iterator[str]:
    if op.shape != shape:
        yield f"declares shape {op.shape}, its operands make {shape}"


def _dense(op: DenseSynapse, shapes: list[Shape], steps: list[int]) -> Iterator[str]:
    rows = op.weight.shape[0]
    yield from _table("weight", op.weight, (rows, shapes[0][-1]))
    yield from _table("bias", op.bias, (rows,))
    yield from _table("trace", op.trace, (steps[0],))
    yield from _same(op, (*shapes[0][:-1], rows))


def _conv(op: ConvSynapse, shapes: list[Shape], steps: list[int]) -> Iterator[str]:
    geometry = (op.stride, op.padding, op.dilation, op.groups)
    x, weight = (torch.empty(shape, device="meta") for shape in (shapes[0], op.weight.shape))
    yield from _table("bias", op.bias, (op.weight.shape[0],))
    yield from _table("trace", op.trace, (steps[0],))
    yield from _same(op, tuple(torch.nn.functional.conv2d(x, weight, None, *geometry).shape))


def _scale(op: ScaleSynapse, shapes: list[Shape], steps: list[int]) -> Iterator[str]:
    yield from _fits("weight", op.weight, shapes[0])
    yield from _fits("bias", op.bias, op.shape)
    yield from _table("trace", op.trace, (steps[0],))
    yield from _same(op, tuple(1 if axis in op.pool else n for axis, n in enumerate(shapes[0])))


def _phase(op: PhaseNeuron, shapes: list[Shape], steps: list[int]) -> Iterator[str]:
    schedule = op.schedule
    yield from _same(op, shapes[0])
    yield from _fits("scale", schedule.scale, op.shape)
    activation(schedule.function)  # raises where there is none of that name
    yield from _again(op, schedule.code.steps, schedule.steps)
    if schedule.scale.ndim != len(op.shape) or schedule.code.steps > 2**14:
        yield f"scale has {schedule.scale.ndim} axes, the sample {len(op.shape)}, a window {schedule.steps} steps"
    if not isinstance(schedule, FixedSchedule):
        yield from _table("unit", schedule.unit, schedule.scale.shape)
        return
    classes, window = schedule.pos.shape
    per_scale = (schedule.scale.shape, (1,) * schedule.scale.ndim, (1,))
    for field in ("mantissa", "shift", "scale_class"):
        yield from _table(field, getattr(schedule, field), *per_scale)
    for field in ("pos", "lo", "hi"):
        yield from _table(field, getattr(schedule, field), (classes, schedule.steps))
    yield from _table("level", schedule.level, (schedule.steps,))
    yield from _within("scale_class", schedule.scale_class, 0, classes - 1)
    yield from _within("shift", schedule.shift, 0, 2 * WIDEST - 2)
    yield from _within("mantissa", schedule.mantissa, 1, 2**WIDEST)
    if op.spikes > 1 and schedule.function not in LINEAR:
        yield from _prefixes(schedule.prefixes, op.spikes, window)
        yield from _table("after", schedule.after, (classes, _rows_of(schedule.prefixes), 4, window))


def _rate(op: RateNeuron, shapes: list[Shape], steps: list[int]) -> Iterator[str]:
    yield from _same(op, shapes[0])
    yield from _table("threshold", op.threshold, (1,))
    if op.function not in LINEAR or op.steps < 1 or not op.threshold[0] > 0:
        yield f"{op.function} in {op.steps} steps at a threshold of {op.threshold}"


def _si_neuron(op: SiNeuron, shapes: list[Shape], steps: list[int]) -> Iterator[str]:
    yield from _same(op, shapes[0])
    yield from _fits("unit", op.unit, op.shape)
    for field in ("threshold", "reset"):
        yield from _table(field, getattr(op, field), (1, op.steps), (op.unit.size, op.steps))


def _product(op: TraceProduct, shapes: list[Shape], steps: list[int]) -> Iterator[str]:
    a, b = (torch.empty(shape, device="meta") for shape in shapes)
    if steps[0] != steps[1] or shapes[0][:-2] != shapes[1][:-2] or abs(op.delay) > 2**20:
        yield f"operands {shapes[0]} of {steps[0]} steps and {shapes[1]} of {steps[1]} make no product"
    yield from _table("traces", op.traces, (2, steps[0]))
    yield from _same(op, tuple(op.product(a, b).shape))
    yield from _fits("bias", op.bias, op.shape)


def _squares(op: SquareSum, shapes: list[Shape], steps: list[int]) -> Iterator[str]:
    yield from _same(op, (*shapes[0][:-1], 1))
    yield from _table("trace", op.trace, (steps[0],))
    factor = op.shift if op.state_bits else op.weight
    if factor is None or factor.size not in (1, shapes[0][-1]):
        yield f"{'shift' if op.state_bits else 'weight'} does not fit {shapes[0][-1]} features"
    yield from _within("shift", op.shift, -WIDEST, WIDEST)


def _rows(op: Woss | SiExp, shapes: list[Shape]) -> Iterator[str]:
    yield from _same(op, shapes[0])
    if op.allowed is not None:
        yield from _fits("allowed", op.allowed, op.shape)
    if len(shapes) > 2 or (len(shapes) == 2 and np.broadcast_shapes(shapes[1], op.shape) != op.shape):
        yield f"operands of {shapes}"


def _heads(op: Any) -> tuple[int, int]:
    return 1, op.shape[-3] if len(op.shape) > 2 else 1


def _woss(op: Woss, shapes: list[Shape], steps: list[int]) -> Iterator[str]:
    yield from _rows(op, shapes)
    window = op.code.steps
    yield from _table("ramp", op.ramp, *((heads, window) for heads in _heads(op)))
    if op.race is not None:
        yield from _table("race", op.race, *((heads, op.race.shape[-1]) for heads in _heads(op)))
    yield from _again(op, window, window)
    if op.spikes > 1:
        yield from _prefixes(op.prefixes, op.spikes, window)
        yield from _table("after", op.after, (len(op.ramp), _rows_of(op.prefixes), 2, window))


def _si_exp(op: SiExp, shapes: list[Shape], steps: list[int]) -> Iterator[str]:
    yield from _rows(op, shapes)
    heads, fitted = op.threshold.shape
    if heads not in _heads(op):
        yield f"tables of {heads} heads"
    yield from _table("reset", op.reset, (heads, fitted))
    yield from _table("output", op.output, (len(op.output), fitted))
    if op.clock is not None:
        yield from _table("clock", op.clock, (heads, op.digits))
        yield from _table("half", op.half, (heads,))
    if op.digits > WIDEST:
        yield f"a clock of {op.digits} digits"


def _si_norm(op: SiNorm, shapes: list[Shape], steps: list[int]) -> Iterator[str]:
    yield from _same(op, shapes[0])
    yield from _table("output", op.output, (len(op.output), steps[0] - op.digits))
    if op.form not in ("digits", "train") or not 1 <= op.steps <= 2**14 or not 0 <= op.digits <= WIDEST:
        yield f"{op.steps} steps of the form {op.form}, {op.digits} digits"
    if op.scale.size != 1 or not 0 < op.scale.flat[0] <= 1:
        yield "scale is no power of two of at most 1"


def _divider(op: DynamicThreshold, shapes: list[Shape], steps: list[int]) -> Iterator[str]:
    yield from _same(op, shapes[0])
    yield from _fits("scale", op.scale, op.shape)
    window, rows = op.code.steps, op.scale.size
    if shapes[1][:-1] != shapes[0][:-1] or (op.squared and shapes[1][-1] != 1) or op.scale.ndim != len(op.shape):
        yield f"operands {shapes[0]} and {shapes[1]} do not divide"
    yield from _table("table", op.table, (rows, window))
    yield from _again(op, window, window)
    if not op.squared:
        yield from _table("trace", op.trace, (steps[1],))
    if not op.state_bits:
        return
    yield from _table("shift", op.shift, (rows,))
    yield from _within("shift", op.shift, 0, 2 * WIDEST - 2)
    if op.cuts and not (2 <= op.drive_bits <= WIDEST and abs(op.drive_shift) <= WIDEST):
        yield f"cuts to {op.drive_bits} bits by {op.drive_shift}"
    if op.spikes > 1:
        for field, shape in (("levels", window), ("midpoints", window), ("gain", rows), ("gain_shift", rows)):
            yield from _table(field, getattr(op, field), (shape,))
        yield from _within("gain_shift", op.gain_shift, 0, 2 * WIDEST - 2)


def _residual(op: Residual, shapes: list[Shape], steps: list[int]) -> Iterator[str]:
    for shape in shapes:
        yield from _same(op, shape)
    yield from _fits("bias", op.bias, op.shape)
    if op.state_bits:
        for field, value, reach in (("mantissas", op.mantissas, LARGEST_WEIGHT), ("shifts", op.shifts, WIDEST)):
            if value is None or len(value) != len(shapes):
                yield f"{field} of {0 if value is None else len(value)} operands, it has {len(shapes)}"
                return
            yield from _fits(field, value[0], op.shape)
            yield from _within(field, value, -reach, reach)


def _centre(op: Centre, shapes: list[Shape], steps: list[int]) -> Iterator[str]:
    yield from _same(op, shapes[0])


def _readout(op: Readout, shapes: list[Shape], steps: list[int]) -> Iterator[str]:
    yield from _same(op, shapes[0])
    yield from _fits("unit", op.unit, op.shape)


def _route(op: Route, shapes: list[Shape], steps: list[int]) -> Iterator[str]:
    if op.source_shape != shapes[0] or op.carries not in ("spikes", "currents", "graded"):
        yield f"routes {op.carries} of shape {op.source_shape}, its operand has {shapes[0]}"
    yield from _same(op, route_shape(op.source_shape, op.chain))


RULES: dict[type, Callable[[Any, list[Shape], list[int]], Iterator[str]]] = {
    DenseSynapse: _dense, ConvSynapse: _conv, ScaleSynapse: _scale, PhaseNeuron: _phase, RateNeuron: _rate,
    SiNeuron: _si_neuron, TraceProduct: _product, SquareSum: _squares, Woss: _woss, SiExp: _si_exp, SiNorm: _si_norm,
    DynamicThreshold: _divider, Residual: _residual, Centre: _centre, Readout: _readout, Route: _route,
}  # fmt: skip
