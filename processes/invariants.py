"""What has to hold for an operation to run: each says so of itself, in ``invariants.py`` of its folder.

Compiled loops rely on shapes, lengths and ranges without looking again, so a network is checked before it runs
(:mod:`processes.verifier`). This file declares the traits, and the checks of single fields that the operations share.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Literal

import numpy as np

from processes.fixed import mantissa_limit
from processes.traits import Trait

WIDEST = 32
"""Most bits of a potential, and most steps of a shift."""
LARGEST_WEIGHT = mantissa_limit(8)
"""Largest absolute mantissa of a weight."""

Shape = tuple[int, ...]
Kind = Literal["spikes", "potentials"]
Complaints = Iterator[str]

invariants: Trait[[list[Shape], list[int]], Complaints] = Trait("invariants", "what holds for its shapes and tables")
"""Complaints about an operation, given the sample shape of each operand and the steps in which its spikes come (0 of
what does not spike). None if all is well."""

reads: Trait[[int], Kind] = Trait("invariants", "whether an operand is spikes or potentials")
"""What operand number ``i`` has to be; the input of a network is potentials, as graded spikes are."""

real_in_fixed_point: Trait[[], frozenset[str]] = Trait("invariants", "which arrays stay real in fixed point")
"""Fields whose arrays fixed-point arithmetic does not read: parameters of the ideal, and what spikes are worth to the host."""


def table(field: str, value: np.ndarray | None, *allowed: Shape) -> Complaints:
    """Complain unless an array is there and has one of the allowed shapes."""
    if value is None or value.shape not in allowed:
        held = "missing" if value is None else f"of shape {value.shape}"
        yield f"{field} is {held}, not of {' or '.join(map(str, allowed))}"


def traces(value: np.ndarray, steps: Sequence[int]) -> Complaints:
    """Complain unless there is a trace for each operand, (operands, longest window), 0 behind a shorter one's last step."""
    yield from table("traces", value, (len(steps), max(steps)))
    for trace, window in zip(value, steps, strict=True):
        if trace[window:].any():
            yield f"a trace goes on after its operand's {window} steps"


def fits(field: str, value: np.ndarray, shape: Shape) -> Complaints:
    """Complain unless an array broadcasts to ``shape``."""
    pairs = zip(reversed(value.shape), reversed(shape), strict=False)
    if value.ndim > len(shape) or any(have not in (1, full) for have, full in pairs):
        yield f"{field} of shape {value.shape} does not fit {shape}"


def within(field: str, value: np.ndarray | None, low: int, high: int) -> Complaints:
    """Complain if any value of an array, where there is one, lies outside [low, high]."""
    if value is not None and value.size and not (low <= value.min() and value.max() <= high):
        yield f"{field} leaves {low} .. {high}"


def has_shape(op: Any, shape: Shape) -> Complaints:
    """Complain unless an operation declares the sample shape that its operands make."""
    if op.shape != shape:
        yield f"declares shape {op.shape}, its operands make {shape}"


def further_spikes(op: Any, most: int, steps: int) -> Complaints:
    """Complain about the number of spikes of a neuron, 1 to ``most``, and the last step of second ones, ``op.latest``."""
    if not 1 <= op.spikes <= most:
        yield f"{op.spikes} spikes"
    if op.latest is not None:
        yield from fits("latest", op.latest, op.shape)
        yield from within("latest", op.latest, 0, steps - 1)
        if op.latest.dtype.kind not in "iu":
            yield "latest is no step"


def prefixes(value: np.ndarray | None, spikes: int, steps: int) -> Complaints:
    """Complain unless ``value`` (rows, spikes - 1) lists codes that a neuron may have sent, each once, none first."""
    if value is None or value.ndim != 2 or value.shape[1] != spikes - 1:
        held = "missing" if value is None else f"of shape {value.shape}"
        yield f"prefixes is {held}, not a row of {spikes - 1} codes for each table"
    elif value[0].any() or len(np.unique(value, axis=0)) < len(value):
        yield "prefixes must begin with that of nobody and hold none twice"
    yield from within("prefixes", value, -steps, steps)


def number_of(prefixes: np.ndarray | None) -> int:
    """Rows of ``prefixes``, 0 if there are none."""
    return 0 if prefixes is None or prefixes.ndim == 0 else len(prefixes)


def heads_of(op: Any) -> tuple[int, int]:
    """How many rows tables may have that belong to the heads of a softmax: one for all, or one for each."""
    return 1, op.shape[-3] if len(op.shape) > 2 else 1


def softmax_rows(op: Any, shapes: list[Shape]) -> Complaints:
    """Complain unless the operands are rows of potentials and, where there are two, a message of which keys take part."""
    yield from has_shape(op, shapes[0])
    if op.allowed is not None:
        yield from fits("allowed", op.allowed, op.shape)
    if len(shapes) > 2 or (len(shapes) == 2 and np.broadcast_shapes(shapes[1], op.shape) != op.shape):
        yield f"operands of {shapes}"
