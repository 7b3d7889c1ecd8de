"""The trait that turns an operation into integers of a chip's widths, answered in ``integers.py`` of its folder.

Every potential gets an integer unit, the real value of 1: per output row a weight's mantissa times a power of two for
synapses, one power of two for a residual stream, (scale / trace maximum)^2 for a product. The pass is
:mod:`converters.discretise`, which walks the nodes in order and calls the trait (docs/design.md, Fixed point).
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
    """A node of a calibrated network that is being discretised, or its input; its operands are discretised before it.

    Attributes:
        op, scale, unit, ...: those of the calibrated, floating-point network.
        operands: the positions of its operands, in order.
        integer_unit: real value of one unit of the node's integer potential, broadcast shape.
        formed_by: first value of the trace with which a product's potential was formed; None for other operations.
        peak: largest |potential| of each row on the calibration set, in real units; None for operations that send
            spikes.
        reach: largest |potential| of the node, or of the network's input, on the calibration set.
        norm: for a synapse with shared weights, the largest Euclidean norm of the values that one output receives,
            which bounds partial sums.
        window: steps of a sample in which the node emits.
        any_unit: whether all readers of the potential, past any routes, take any real number as its unit.
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
    """What the integers of an operation have to fit, and how its weights are rounded.

    Attributes:
        chip: bit widths.
        coarser: bits of resolution to give up, because something was clipped on the calibration set in earlier
            attempts.
        rounded: from weights in units of their mantissas and a limit to integers within +-limit, and what to add to the
            bias, (out,).
        row_units: whether rows of synapses may have units other than powers of two.
    """

    chip: Chip
    coarser: int
    rounded: Callable[[np.ndarray, int], tuple[np.ndarray, np.ndarray]]
    row_units: bool

    def product_trace(self, reach: float) -> int:
        """First value of a product's trace; ``reach`` is the product's largest potential for a first value of 1."""
        return self.chip.product_trace_limit(reach * 4.0**self.coarser)


class Integers(NamedTuple):
    """An operation in integers.

    Attributes:
        op: the operation.
        unit: real value of one unit of its potential, broadcast shape; None if it sends spikes.
        formed_by: first value of a product's trace. A divisor that is summed with the same trace is rounded as the
            product is.
    """

    op: Operation
    unit: np.ndarray | None = None
    formed_by: int | None = None


integers: Trait[[FixedPosition, Setting], Integers] = Trait("integers", "how it becomes integers")
"""The operation in integers of the chip's widths, and the unit of its potential."""


def finer(at: FixedPosition) -> np.ndarray:
    """Floating-point unit of a softmax's logits over their integer unit, by head, (heads or 1, 1).

    All logits of a head have one unit, even where the array has an entry for each column, as behind a linear layer.
    """
    (heard, *_) = at.operands
    fixed = heard.integer_unit.max((-2, -1))
    return heard.unit.max((-2, -1)).reshape(-1, 1) / fixed.reshape(-1, 1)


def entries(table: np.ndarray) -> np.ndarray:
    """Thresholds rounded to int32; +inf becomes ``NEVER``, -inf ``ALWAYS``."""
    rounded = np.rint(np.clip(table, ALWAYS + 1, NEVER - 1))
    return np.where(table == np.inf, NEVER, np.where(table == -np.inf, ALWAYS, rounded)).astype(np.int32)


def far_entries(table: np.ndarray) -> np.ndarray:
    """Fitted thresholds rounded to int32, clipped to a quarter of its range, far beyond any potential."""
    return np.rint(np.clip(table, ALWAYS // 4, NEVER // 4)).astype(np.int32)
