"""How an operation becomes integers of a chip's widths: each says so in ``integers.py`` of its folder.

Every potential gets an integer unit, the real value of 1: per output row a weight's mantissa times a power of two for
synapses, one power of two for a residual stream, (scale / trace maximum)^2 for a product. The pass is
:mod:`converters.discretise`; it walks the nodes in order and asks (docs/design.md, Fixed point).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

import numpy as np

from processes.calibration import Position
from processes.chips import Chip
from processes.operation import Operation, Window
from processes.thresholds import ALWAYS, NEVER
from processes.traits import Trait


class FixedPosition(Position, Protocol):
    """An operation in a calibrated network that is being turned into integers, after all that it hears.

    Attributes:
        op, scale, unit, ...: of the calibrated, floating-point network.
        operands: the positions that it hears, in order.
        integer_unit: real value of 1 of the integer potential that comes from here, broadcast shape.
        formed_by: first value of the trace with which a product's potential was formed; None of anything else.
        peak: largest |potential| of each row on the calibration set, real; None of what sends spikes.
        reach: the largest |potential| of all, or |input|.
        norm: of a synapse with shared weights, the largest Euclidean norm of the values that an output hears, which bounds
            partial sums.
        window: steps in which spikes come from here.
        any_unit: whether those that hear its potential take any real number as its unit.
    """

    @property
    def operands(self) -> Sequence[FixedPosition]: ...
    @property
    def integer_unit(self) -> np.ndarray: ...
    @property
    def formed_by(self) -> int | None: ...
    @property
    def peak(self) -> np.ndarray | None: ...
    @property
    def reach(self) -> float: ...
    @property
    def norm(self) -> float: ...
    @property
    def window(self) -> Window: ...
    @property
    def any_unit(self) -> bool: ...


@dataclass(frozen=True)
class Setting:
    """What integers have to fit, and how weights are rounded.

    Attributes:
        chip: bit widths.
        coarser: bits of resolution to give up, as something was clipped on the calibration set before.
        rounded: integers within +-limit for weights in units of their mantissas, and what to add to the bias (out,).
        row_units: whether rows of synapses may have units other than powers of two.
    """

    chip: Chip
    coarser: int
    rounded: Callable[[np.ndarray, int], tuple[np.ndarray, np.ndarray]]
    row_units: bool

    def product_trace(self, reach: float) -> int:
        """First value of the trace of a product whose potential is ``reach`` when it is 1."""
        return self.chip.product_trace_limit(reach * 4.0**self.coarser)


class Integers(NamedTuple):
    """An operation in integers.

    Attributes:
        op: the operation.
        unit: real value of 1 of its potential, broadcast shape; None if it sends spikes.
        formed_by: first value of a product's trace. A divisor that is summed by the very trace by which a product was formed
            is rounded as this is.
    """

    op: Operation
    unit: np.ndarray | None = None
    formed_by: int | None = None


integers: Trait[[FixedPosition, Setting], Integers] = Trait("integers", "how it becomes integers")
"""The operation in integers, and the unit of its potential."""


def finer(at: FixedPosition) -> np.ndarray:
    """By how much the unit of a softmax's logits shrank by head, (P, 1): in floating point they are the product's own.

    Logits of a head have one unit even where each column has a number of its own for it, as those of a linear layer do.
    """
    (heard, *_) = at.operands
    fixed = heard.integer_unit.max((-2, -1))
    return heard.unit.max((-2, -1)).reshape(-1, 1) / fixed.reshape(-1, 1)


def entries(table: np.ndarray) -> np.ndarray:
    """Thresholds rounded to int32; +inf is never reached and -inf always."""
    rounded = np.rint(np.clip(table, ALWAYS + 1, NEVER - 1))
    return np.where(table == np.inf, NEVER, np.where(table == -np.inf, ALWAYS, rounded)).astype(np.int32)


def far_entries(table: np.ndarray) -> np.ndarray:
    """Fitted thresholds rounded to int32, clipped far beyond any potential."""
    return np.rint(np.clip(table, ALWAYS // 4, NEVER // 4)).astype(np.int32)
