"""Weights become 8-bit mantissas with one exponent per row; where each neuron has a weight of its own, each has one."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from converters.discretise.rounding import round_weights
from converters.discretise.state import Discretisation
from processes.fixed import mantissa_limit, to_mantissa
from processes.network import (
    ConvSynapse,
    DenseSynapse,
    Network,
    PhaseNeuron,
    Residual,
    Route,
    ScaleSynapse,
    SiExp,
    Synapse,
    Woss,
)


@dataclass(frozen=True)
class Scaled:
    """A synapse's numbers with a trace of ``bits`` bits: potential = sum mantissa * trace, in units of own * 2^exponent.

    Attributes:
        own: a row's unit over its power of two, (rows,).
        weight, bias: over ``own``, the weight also over the trace's maximum.
        finest, needed: exponents (rows,) with which mantissas use all their bits, and potentials fit.
        coarser: what is added to the larger of both.
        compared: rows race with each other, and so have one unit.
    """

    bits: int
    own: np.ndarray
    weight: np.ndarray
    bias: np.ndarray
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


def synapse(state: Discretisation, name: str, op: Synapse) -> Synapse:
    """The finest trace and exponents with which nothing is clipped."""
    chip, code = state.chip, state.network.code(state.network.nodes[name].inputs[0])
    coarser, scaled = state.coarser.get(name, 0), _scaled(state, name, op, chip.trace_bits)
    if coarser or (scaled.needed > scaled.finest).any() or not _never_clips(state, name, op, scaled):
        scaled = _scaled(state, name, op, chip.reduced_trace_bits, max(0, coarser - 1))
    unit, real = scaled.unit, scaled.unit * scaled.own
    seen = state.seen.at(name, op) if state.ingredients.rounding else None
    rounded, offset = round_weights(op, scaled.mantissa, mantissa_limit(chip.weight_bits), seen)
    integers = replace(
        op,
        weight=rounded.astype(np.int8),
        bias=np.rint(scaled.bias / unit + offset * (2**scaled.bits - 1)).astype(np.int32),
        trace=code.trace(scaled.bits),
        unit=real,
        state_bits=chip.state_bits,
    )
    if not isinstance(op, ScaleSynapse):
        shape = [1] * len(op.shape)
        shape[1 if isinstance(op, ConvSynapse) else -1] = len(op.weight)
        real = real.reshape(shape)
    state.units[name] = real
    return integers


def _scaled(state: Discretisation, name: str, op: Synapse, bits: int, coarser: int = 0) -> Scaled:
    """With a trace of so many bits."""
    chip, each = state.chip, isinstance(op, ScaleSynapse)  # each: every weight is a row
    rows = op.weight.shape if each else (len(op.weight),)
    free = state.ingredients.row_units and _any_unit_will_do(state.network, name)
    own = (
        (_exact_unit if each else _full_unit)(op.weight, bits, mantissa_limit(chip.weight_bits))
        if free
        else np.ones(rows)
    )
    reach = state.seen.peaks[name] if each else state.seen.peaks[name].reshape(-1)
    bias = np.broadcast_to(op.bias, np.broadcast_shapes(op.bias.shape, rows)) / own
    weight = op.weight / own.reshape(_column(own, op.weight)) / (2**bits - 1)
    finest = to_mantissa(weight, chip.weight_bits, axis=tuple(range(op.weight.ndim)) if each else 0).exponent.reshape(
        rows
    )
    largest = np.maximum(_reduce_to(reach / own, rows), _reduce_to(np.abs(bias), rows))
    limit = 2.0**chip.state_bits / 2 / chip.trace_headroom
    with np.errstate(divide="ignore"):
        needed = np.where(largest > 0, np.ceil(np.log2(largest / limit)), -np.inf)
    return Scaled(bits, own, weight, bias, finest, needed, coarser, _compared(state.network, name))


def _never_clips(state: Discretisation, name: str, op: Synapse, scaled: Scaled) -> bool:
    """Whether ||w|| ||x|| proves it for inputs like the calibration set's; other layers are judged by their reach."""
    if not isinstance(op, DenseSynapse):
        return True
    source = state.network.nodes[name].inputs[0]
    reach = np.linalg.norm(scaled.mantissa, axis=1).max() * float(state.seen.norms[source]) * (2**scaled.bits - 1)
    return bool(reach <= state.chip.state_limit)


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


def _any_unit_will_do(network: Network, name: str) -> bool:
    """Whether, past any routes, only phase neurons and residual streams read it.

    They take any unit that is the mantissa of a weight times a power of two.
    """
    return all(
        isinstance(network[reader], PhaseNeuron | Residual)
        or (isinstance(network[reader], Route) and _any_unit_will_do(network, reader))
        for reader in network.readers(name)
    )


def _compared(network: Network, name: str) -> bool:
    """Whether, past any routes, its potentials race with each other in a softmax."""
    return any(
        isinstance(network[reader], Woss | SiExp) or (isinstance(network[reader], Route) and _compared(network, reader))
        for reader in network.readers(name)
    )


def _column(rows: np.ndarray, weight: np.ndarray) -> tuple[int, ...]:
    """Shape in which per-row values broadcast over weights."""
    return rows.shape + (1,) * (weight.ndim - rows.ndim)


def _reduce_to(values: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """Largest value over the axes that ``shape`` has with length 1."""
    axes = tuple(a for a, size in enumerate(shape) if size == 1)
    return np.broadcast_to(values.max(axes, keepdims=True) if values.ndim == len(shape) else values.max(), shape)
