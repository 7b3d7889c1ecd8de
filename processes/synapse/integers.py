"""Weights become 8-bit mantissas with one exponent per row; where each neuron has a weight of its own, each has one."""

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
        own: a row's unit over its power of two, (rows,).
        weight, bias: over ``own``, the weight also over the trace's maximum.
        largest: potentials of the calibration set, or biases, over ``own``, (rows,).
        finest, needed: exponents (rows,) with which mantissas use all their bits, and potentials fit.
        coarser: what is added to the larger of both.
        compared: rows race with each other, and so have one unit.
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
        """The power of two of each row: what the trace leaves too large, a coarser exponent absorbs."""
        exponent = np.maximum(self.finest, self.needed)
        exponent = np.full_like(exponent, exponent.max()) if self.compared else exponent
        return 2.0 ** (exponent.astype(np.int32) + self.coarser)

    @property
    def mantissa(self) -> np.ndarray:
        """Weights before they are rounded."""
        return self.weight / self.unit.reshape(_column(self.unit, self.weight))


@integers.of(DenseSynapse, ConvSynapse)
def _(op: DenseSynapse | ConvSynapse, at: FixedPosition, setting: Setting) -> Integers:
    """A row's unit is that of the neurons along the axis of its features."""
    fixed, real = _integers(op, at, setting)
    shape = [1] * len(op.shape)
    shape[feature_axis(op)] = len(op.weight)
    return Integers(fixed, real.reshape(shape))


@integers.of(ScaleSynapse)
def _(op: ScaleSynapse, at: FixedPosition, setting: Setting) -> Integers:
    """Every weight is a row."""
    return Integers(*_integers(op, at, setting))


def _integers(op: Synapse, at: FixedPosition, setting: Setting) -> tuple[Synapse, np.ndarray]:
    """The finest trace and exponents with which nothing is clipped, and the units of rows."""
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
    """With a trace of so many bits."""
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
    """Whether weights keep all their bits, and nothing clips as the closed form sees it, of inputs like the calibration set's.

    That is proved by half of ||w|| ||x|| and of the sum; of grouped convolutions by the most that their neurons can send.
    Weights that are not shared are judged by their reach alone.
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
    """Units of potentials over powers of two, in [1/2, 1], (out,), with which a row's largest weight is a largest mantissa."""
    largest = np.abs(weight).reshape(len(weight), -1).max(1)
    fraction = np.frexp(largest / limit / (2**bits - 1))[0]
    return np.where(largest > 0, np.ceil(fraction * (limit + 1)) / (limit + 1), 1.0)


def _exact_unit(weight: np.ndarray, bits: int, limit: int) -> np.ndarray:
    """The same for weights that are rows: where each, over its unit, is nearest a mantissa."""
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
