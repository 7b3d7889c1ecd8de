"""Synapses in integers: 8-bit mantissas with an exponent per output row, or per weight where these are not shared."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from processes.calibration import feature_axis
from processes.fixed import mantissa_limit, row_exponents
from processes.integers import FixedPosition, Integers, Setting, integers
from processes.synapse import ConvSynapse, DenseSynapse, ScaleSynapse, Synapse


@dataclass(frozen=True)
class Scaled:
    """A synapse's numbers with a trace of ``bits`` bits: potential = sum mantissa * trace, in units of own * 2^exponent.

    Attributes:
        bits: width of the unsigned trace.
        own: a row's unit over its power of two, (rows,).
        weight, bias: real weights and biases over ``own``, the weights also over the trace's maximum.
        largest: the larger of peak |potential| on the calibration set and |bias|, over ``own``, (rows,).
        finest: exponents with which mantissas use all their bits, (rows,).
        needed: smallest exponents with which potentials fit the state with headroom, (rows,).
        coarser: added to the larger of these two exponents.
        compared: whether rows race in a softmax, and so share one exponent.
    """

    bits: int
    own: np.ndarray
    weight: np.ndarray
    bias: np.ndarray
    largest: np.ndarray
    finest: np.ndarray
    needed: np.ndarray
    coarser: int
    compared: bool

    @property
    def unit(self) -> np.ndarray:
        """The power of two of each row's unit; a coarser exponent absorbs what would be too large for a potential."""
        exponent = np.maximum(self.finest, self.needed)
        exponent = np.full_like(exponent, exponent.max()) if self.compared else exponent
        return 2.0 ** (exponent.astype(np.int32) + self.coarser)

    @property
    def mantissa(self) -> np.ndarray:
        """Weights in units of mantissas, before they are rounded."""
        return self.weight / self.unit.reshape(_column(self.unit, self.weight))


@integers.of(DenseSynapse, ConvSynapse)
def _(op: DenseSynapse | ConvSynapse, at: FixedPosition, setting: Setting) -> Integers:
    """The synapse with an exponent per output row; units lie along the feature axis of a sample."""
    fixed, real = _integers(op, at, setting)
    shape = [1] * len(op.shape)
    shape[feature_axis(op)] = len(op.weight)
    return Integers(fixed, real.reshape(shape))


@integers.of(ScaleSynapse)
def _(op: ScaleSynapse, at: FixedPosition, setting: Setting) -> Integers:
    """The synapse with an exponent per weight, as every weight is a row of its own."""
    return Integers(*_integers(op, at, setting))


def _integers(op: Synapse, at: FixedPosition, setting: Setting) -> tuple[Synapse, np.ndarray]:
    """The synapse with the widest trace and finest exponents that keep potentials from clipping, and rows' units."""
    chip, (source,), op = setting.chip, at.operands, replace(op, weight=np.asarray(op.weight))
    widths = range(chip.trace_bits, chip.least_trace_bits, -1)
    fitting = (bits for bits in widths if _fits(op, at, _scaled(op, at, setting, bits, 0), chip.state_limit))
    finest = next(fitting, chip.least_trace_bits)
    bits = max(chip.least_trace_bits, finest - setting.coarser)
    scaled = _scaled(op, at, setting, bits, setting.coarser - (finest - bits))  # what a trace cannot give, weights do
    unit, real = scaled.unit, scaled.unit * scaled.own
    rounded, offset = setting.rounded(scaled.mantissa, mantissa_limit(chip.weight_bits))
    fixed = replace(
        op,
        weight=np.ascontiguousarray(rounded, np.int8),
        bias=np.rint(scaled.bias / unit + offset * (2**scaled.bits - 1)).astype(np.int32),
        trace=source.code.trace(scaled.bits),
        unit=real,
        state_bits=chip.state_bits,
    )
    return fixed, real


def _scaled(op: Synapse, at: FixedPosition, setting: Setting, bits: int, coarser: int) -> Scaled:
    """The synapse's numbers with a trace of ``bits`` bits, and exponents raised by ``coarser``."""
    chip, each = setting.chip, isinstance(op, ScaleSynapse)  # each: every weight is a row
    rows = op.weight.shape if each else (len(op.weight),)
    own = np.ones(rows)
    if setting.row_units and at.any_unit:
        own = (_exact_unit if each else _full_unit)(op.weight, bits, mantissa_limit(chip.weight_bits))
    assert at.peak is not None
    reach = at.peak if each else at.peak.reshape(-1)
    bias = np.broadcast_to(op.bias, np.broadcast_shapes(op.bias.shape, rows)) / own
    weight = op.weight / own.reshape(_column(own, op.weight)) / (2**bits - 1)
    axes = tuple(range(op.weight.ndim)) if each else 0
    finest = row_exponents(weight, chip.weight_bits, axis=axes).reshape(rows)
    largest = np.maximum(_reduce_to(reach / own, rows), _reduce_to(np.abs(bias), rows))
    limit = 2.0**chip.state_bits / 2 / chip.trace_headroom
    with np.errstate(divide="ignore"):
        needed = np.where(largest > 0, np.ceil(np.log2(largest / limit)), -np.inf)
    return Scaled(bits, own, weight, bias, largest, finest, needed, coarser, at.compared)


def _fits(op: Synapse, at: FixedPosition, scaled: Scaled, limit: int) -> bool:
    """Whether weights keep all bits, and on inputs like the calibration set the closed form proves that nothing clips.

    The proof bounds a potential by half of ||w|| ||x|| plus half of the sum (``synapse/exact.py``); of grouped
    convolutions by the most that their inputs can send. Weights that are not shared only have to keep all bits.
    """
    if (scaled.needed > scaled.finest).any():
        return False
    if isinstance(op, ScaleSynapse):
        return True
    rows, first = scaled.mantissa.reshape(len(scaled.mantissa), -1), 2**scaled.bits - 1
    if isinstance(op, ConvSynapse) and op.groups > 1:
        (source,) = at.operands
        return bool(np.abs(rows).sum(1).max() * source.code.levels[: source.spikes].sum() * first <= limit)
    reach = np.linalg.norm(rows, axis=1).max() * at.norm * first
    return bool(reach + (scaled.largest / scaled.unit).max() <= 2 * limit)


def _full_unit(weight: np.ndarray, bits: int, limit: int) -> np.ndarray:
    """Units of rows over powers of two, in [1/2, 1], (out,), that make a row's largest weight the largest mantissa."""
    largest = np.abs(weight).reshape(len(weight), -1).max(1)
    fraction = np.frexp(largest / limit / (2**bits - 1))[0]
    return np.where(largest > 0, np.ceil(fraction * (limit + 1)) / (limit + 1), 1.0)


def _exact_unit(weight: np.ndarray, bits: int, limit: int) -> np.ndarray:
    """Units over powers of two, in [1/2, 1), of the weights' shape, that bring each weight nearest to a mantissa."""
    units = np.arange(limit // 2 + 1, limit + 1) / (limit + 1)
    mantissa = np.frexp(np.abs(weight)[..., None] / (2**bits - 1) / units)[0] * (limit + 1)
    return units[np.argmin(np.abs(mantissa - np.rint(mantissa)) / np.maximum(mantissa, 1), -1)]


def _column(rows: np.ndarray, weight: np.ndarray) -> tuple[int, ...]:
    """Shape in which per-row values broadcast over weights."""
    return rows.shape + (1,) * (weight.ndim - rows.ndim)


def _reduce_to(values: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """Largest value over the axes that ``shape`` has with length 1."""
    axes = tuple(a for a, size in enumerate(shape) if size == 1)
    return np.broadcast_to(values.max(axes, keepdims=True) if values.ndim == len(shape) else values.max(), shape)
