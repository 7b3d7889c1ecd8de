"""Traits with what has to hold for an operation to run, answered in ``invariants.py`` of its folder.

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
"""Complaints about an operation, none if all invariants hold, given the sample shape of each operand and the number of
steps of its spikes' window (0 if it sends no spikes)."""

reads: Trait[[int], Kind] = Trait("invariants", "whether an operand is spikes or potentials")
"""Whether operand number ``i`` has to be spikes or potentials; graded spikes and the network's input are potentials."""

real_in_fixed_point: Trait[[], frozenset[str]] = Trait("invariants", "which arrays stay real in fixed point")
"""Fields whose arrays fixed-point arithmetic does not read: parameters of the ideal, and real values of spikes."""


def table(field: str, value: np.ndarray | None, *allowed: Shape) -> Complaints:
    """Complain unless an array is there and has one of the allowed shapes."""
    if value is None or value.shape not in allowed:
        held = "missing" if value is None else f"of shape {value.shape}"
        yield f"{field} is {held}, not of {' or '.join(map(str, allowed))}"


def traces(value: np.ndarray, steps: Sequence[int]) -> Complaints:
    """Complain unless traces are (operands, longest window), and 0 after the last step of a shorter window."""
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
    """Complain if a value of an array lies outside [low, high]; None and empty arrays pass."""
    if value is not None and value.size and not (low <= value.min() and value.max() <= high):
        yield f"{field} leaves {low} .. {high}"


def has_shape(op: Any, shape: Shape) -> Complaints:
    """Complain unless an operation declares ``shape``, the sample shape that follows from its operands."""
    if op.shape != shape:
        yield f"declares shape {op.shape}, its operands make {shape}"


def further_spikes(op: Any, most: int, steps: int) -> Complaints:
    """Complain unless ``op.spikes`` is 1 to ``most`` and ``op.latest``, if given, holds integer steps of the window."""
    if not 1 <= op.spikes <= most:
        yield f"{op.spikes} spikes"
    if op.latest is not None:
        yield from fits("latest", op.latest, op.shape)
        yield from within("latest", op.latest, 0, steps - 1)
        if op.latest.dtype.kind not in "iu":
            yield "latest is no step"


def prefixes(value: np.ndarray | None, spikes: int, steps: int) -> Complaints:
    """Complain unless ``value`` (rows, spikes - 1) lists distinct prefixes of codes -T .. T, the empty one first."""
    if value is None or value.ndim != 2 or value.shape[1] != spikes - 1:
        held = "missing" if value is None else f"of shape {value.shape}"
        yield f"prefixes is {held}, not a row of {spikes - 1} codes for each table"
    elif value[0].any() or len(np.unique(value, axis=0)) < len(value):
        yield "prefixes must begin with that of nobody and hold none twice"
    yield from within("prefixes", value, -steps, steps)


def number_of(prefixes: np.ndarray | None) -> int:
    """Number of rows of ``prefixes``, 0 for None."""
    return 0 if prefixes is None or prefixes.ndim == 0 else len(prefixes)


def heads_of(op: Any) -> tuple[int, int]:
    """How many rows the tables of a softmax may have: one for all heads, or one for each head."""
    return 1, op.shape[-3] if len(op.shape) > 2 else 1


def softmax_rows(op: Any, shapes: list[Shape]) -> Complaints:
    """Complain unless operands are rows of potentials and, where there are two, a mask of the keys that take part."""
    yield from has_shape(op, shapes[0])
    if op.allowed is not None:
        yield from fits("allowed", op.allowed, op.shape)
    if len(shapes) > 2 or (len(shapes) == 2 and np.broadcast_shapes(shapes[1], op.shape) != op.shape):
        yield f"operands of {shapes}"
