"""Integer arithmetic of the fixed-point network: one implementation of each formula, for all integers.

Everything here takes Python ints, signed numpy integer arrays or signed torch integer tensors, and gives
equal results for all three; arguments of a call are of one kind (Python ints mix with either) and broadcast.
Only right shifts round, and toward zero, as Lava's bit-accurate Loihi models do. Converting real numbers to
mantissas, which happens once, rounds to nearest; ``magnitude_lost`` measures what that sets to 0.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from processes.errors import DeployError

if TYPE_CHECKING:
    import torch

Integers = TypeVar("Integers", int, np.ndarray, "torch.Tensor")

INT64_MAX = 2**63 - 1


def shift_toward_zero(x: Integers, bits: Any) -> Integers:
    """x / 2^bits with the fraction dropped: floor for x >= 0, ceiling for x < 0.

    ``bits`` is an int or an array that broadcasts with ``x``. Negative ``bits`` shift left, exactly: the
    caller knows that the result fits the type of ``x``. An array of ``bits`` of a wider type promotes the
    result to it.
    """
    right = bits * (bits > 0)
    shifted = x >> right
    # >> is floor. Where a negative number lost bits, one up is the ceiling; unlike abs(), it never overflows.
    toward_zero = shifted + (((shifted << right) != x) & (x < 0))
    return toward_zero << (right - bits)


def saturate(x: Integers, bits: int) -> Integers:
    """x clipped to the symmetric signed range of ``bits`` bits, +-(2^(bits-1) - 1).

    Also holds for floating-point arrays that carry integers. A type too narrow to leave the range is returned
    as it is.
    """
    limit = 2 ** (bits - 1) - 1
    if isinstance(x, int):
        return max(-limit, min(x, limit))
    return x if 8 * x.itemsize < bits else x.clip(-limit, limit)


def saturated(x: int | np.ndarray | torch.Tensor, bits: int) -> int:
    """How many values of ``x`` :func:`saturate` would change."""
    if largest(x) <= 2 ** (bits - 1) - 1:  # nearly always, and cheaper than a comparison by element
        return 0
    return int(beyond(x, bits).sum()) if not isinstance(x, int) else 1


def beyond(x: Any, bits: int) -> Any:
    """Where an array exceeds the symmetric range of ``bits`` signed bits, so that :func:`saturate` changes it; bool."""
    limit = 2 ** (bits - 1) - 1
    return (x > limit) | (x < -limit)


def mul_shift(a: Integers, b: Integers | int, shift: Any) -> Integers:
    """shift_toward_zero(a * b, shift), the product taken in 64 bits; arrays return int64.

    Raises:
        OverflowError: max|a| * max|b| > 2^63 - 1. The guard looks at the two maxima, not at each pair: it may
            refuse products that would just fit, and never lets one wrap.
    """
    reach = largest(a) * largest(b)
    if reach > INT64_MAX:
        raise OverflowError(f"a product of up to {reach:.3e} does not fit 64 bits; narrow one of its factors")
    return shift_toward_zero(_wide(a) * _wide(b), shift)


def decay(x: Integers, d: Any, bits: int = 12) -> Integers:
    """Loihi's exponential decay, sign(x) * ((|x| * (2^bits - d)) >> bits), d in 0 .. 2^bits.

    Arrays return int64. d = 0 keeps x and d = 2^bits clears it. Shifting the magnitude lets
    x decay to zero from either side.
    """
    return mul_shift(x, 2**bits - d, bits)


def largest(x: int | np.ndarray | torch.Tensor) -> int:
    """max |x| as a Python int; 0 for an empty array."""
    if isinstance(x, int):
        return abs(x)
    return max(int(x.max()), -int(x.min())) if 0 not in x.shape else 0


def _wide(x: Any) -> Any:
    """``x`` in 64 bits; Python ints have no width."""
    if isinstance(x, int):
        return x
    return x.astype(np.int64) if isinstance(x, np.ndarray | np.generic) else x.long()


@dataclass(frozen=True, eq=False)
class Mantissa:
    """Integers of a known width with a shared power of two: value = mantissa * 2^exponent.

    Attributes:
        mantissa: int32, any shape; |mantissa| <= limit, and mantissa >= 0 if unsigned.
        exponent: int32, one per row, of a shape that broadcasts with ``mantissa``.
        bits: width of a mantissa, its sign included.
        signed: whether a sign is part of the width.

    Raises:
        DeployError: a mantissa lies outside its width.
    """

    mantissa: np.ndarray
    exponent: np.ndarray
    bits: int
    signed: bool = True

    def __post_init__(self) -> None:
        reach = largest(self.mantissa)
        if reach > self.limit or (not self.signed and bool((self.mantissa < 0).any())):
            kind = "signed" if self.signed else "unsigned"
            held = f"{self.bits} {kind} bits hold {self.limit}"
            raise DeployError(f"mantissas reach {reach}, {held}; raise the exponent")

    @property
    def limit(self) -> int:
        """Largest mantissa: 127 for 8 signed bits, 65535 for 16 unsigned ones."""
        return mantissa_limit(self.bits, self.signed)

    def value(self) -> np.ndarray:
        """mantissa * 2^exponent, float64, exact."""
        return np.ldexp(self.mantissa.astype(np.float64), self.exponent)


def mantissa_limit(bits: int, signed: bool = True) -> int:
    """Largest mantissa of a width; the signed range is symmetric, so that negation is exact."""
    return 2 ** (bits - 1) - 1 if signed else 2**bits - 1


def to_integer(values: np.ndarray, exponent: np.ndarray | int) -> np.ndarray:
    """values / 2^exponent rounded to the nearest integer, halves to the even one; int64."""
    return np.rint(np.ldexp(np.asarray(values, dtype=np.float64), -np.asarray(exponent))).astype(np.int64)


def row_exponents(
    values: np.ndarray, bits: int, axis: int | tuple[int, ...] | None = 0, *, signed: bool = True
) -> np.ndarray:
    """Smallest exponents with which each row's largest value fits, int32, as :func:`to_mantissa` uses them.

    See there for the arguments.

    Raises:
        DeployError: a value is not finite, or negative where mantissas are unsigned.
    """
    values = np.atleast_1d(np.asarray(values, dtype=np.float64))
    if not (finite := np.isfinite(values)).all():
        bad = values.size - int(finite.sum())
        raise DeployError(f"{bad} of {values.size} values to round are not finite; check the weights")
    if not signed and (values < 0).any():
        raise DeployError(f"unsigned mantissas cannot hold {values.min():.6g}; use signed ones")
    kept = () if axis is None else axis if isinstance(axis, tuple) else (axis,)
    kept = {i % values.ndim for i in kept}
    reduced = tuple(i for i in range(values.ndim) if i not in kept)
    peak = np.abs(values).max(axis=reduced, keepdims=True, initial=0.0)
    # peak = fraction * 2^power, fraction in [1/2, 1): this exponent puts the peak just below 2^magnitude_bits ...
    magnitude_bits = bits - 1 if signed else bits
    power = np.frexp(peak)[1]
    exponent = np.where(peak > 0, power - magnitude_bits, 0).astype(np.int32)
    # ... unless rounding carries it up to 2^magnitude_bits
    exponent += to_integer(peak, exponent) > mantissa_limit(bits, signed)
    return exponent


def to_mantissa(
    values: np.ndarray, bits: int, axis: int | tuple[int, ...] | None = 0, *, signed: bool = True
) -> Mantissa:
    """Round ``values`` (real units, float64) to mantissas with one exponent per row.

    A row is everything that shares its indices along ``axis``: 0 gives one exponent per output neuron of a
    weight, None one for the whole array, all axes one per value. Exponents are as small as fits after
    rounding, so the largest mantissa of a row lies in the top half of its range (64 .. 127 for 8 signed
    bits). A row of zeros has exponent 0. Exponents keep the reduced axes with length 1, ready to broadcast.

    Raises:
        DeployError: a value is not finite, or negative where mantissas are unsigned.
    """
    exponent = row_exponents(values, bits, axis, signed=signed)
    return Mantissa(to_integer(np.atleast_1d(values), exponent).astype(np.int32), exponent, bits, signed)


def magnitude_lost(wanted: np.ndarray, got: np.ndarray) -> float:
    """Share of sum |w| that rounding to integers sets to 0, per output, averaged over the outputs; 0 to 1.

    Weights far below the others of their output hardly count, however many they are; an output all of whose weights
    become 0, because another output's weights are far larger, counts in full.

    Args:
        wanted: the real weights, with an axis of outputs first; outputs without a weight other than 0 are left out.
        got: the integers that stand for them, of the same shape.
    """
    real = np.abs(np.asarray(wanted, np.float64))
    real = real.reshape(len(real), -1) if real.ndim else real.reshape(1, 1)
    gone = np.where(np.asarray(got).reshape(real.shape) == 0, real, 0.0).sum(1)
    total = real.sum(1)
    return float((gone[total > 0] / total[total > 0]).mean()) if total.any() else 0.0
