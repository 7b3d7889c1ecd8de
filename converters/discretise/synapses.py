"""Weights become 8-bit mantissas with one exponent per row; where each neuron has a weight of its own, each has one."""

from __future__ import annotations

import numpy as np

from converters.discretise.rounding import round_weights
from converters.discretise.state import Discretisation
from processes.fixed import mantissa_limit, to_mantissa
from processes.network import ConvSynapse, DenseSynapse, PhaseNeuron, ScaleSynapse, Synapse
from processes.phase_neuron.schedule import LINEAR


def synapse(state: Discretisation, name: str, op: Synapse) -> None:
    """The finest trace and exponents with which nothing is clipped."""
    chip, code = state.chip, state.network.code(state.network.nodes[name].inputs[0])
    rows = tuple(range(op.weight.ndim)) if isinstance(op, ScaleSynapse) else 0
    reach = state.seen.peaks[name] if rows else state.seen.peaks[name].reshape(-1)
    for bits in (chip.trace_bits, chip.reduced_trace_bits):
        limit = 2.0**chip.state_bits / 2 / chip.trace_headroom
        own = _row_unit(state, name, op, bits) if rows == 0 else np.ones(())
        bias = np.broadcast_to(op.bias, np.broadcast_shapes(op.bias.shape, _row_shape(op))) / own
        peak = reach / own
        # potential = sum mantissa * trace, so its unit is the exponent of weight / (trace maximum)
        weight = op.weight / own.reshape(_column(own, op.weight)) / (2**bits - 1)
        exponent = to_mantissa(weight, chip.weight_bits, axis=rows).exponent.reshape(_row_shape(op))
        largest = np.maximum(_reduce_to(peak, exponent.shape), _reduce_to(np.abs(bias), exponent.shape))
        fits = (largest <= limit * 2.0**exponent).all() and not state.coarser.get(name)
        if fits and _never_clips(state, name, op, weight / 2.0 ** exponent.reshape(_column(exponent, weight)), bits):
            break
    # what the narrower trace cannot absorb, a row's coarser exponent does
    with np.errstate(divide="ignore"):
        needed = np.where(largest > 0, np.ceil(np.log2(largest / limit)), -np.inf)
    exponent = np.maximum(exponent, needed).astype(np.int32) + max(0, state.coarser.get(name, 0) - 1)
    unit = 2.0**exponent
    limit = mantissa_limit(chip.weight_bits)
    seen = state.seen.at(name, op) if state.ingredients.rounding else None
    rounded, offset = round_weights(op, weight / unit.reshape(_column(unit, weight)), limit, seen)
    op.weight = rounded.astype(np.int8)
    op.bias = np.rint(bias / unit + offset * (2**bits - 1)).astype(np.int32)
    op.trace, op.unit, op.state_bits = code.trace(bits), unit * own, chip.state_bits
    shape = [1] * len(op.shape)
    if rows == 0:
        shape[1 if isinstance(op, ConvSynapse) else -1] = len(op.weight)
    state.units[name] = op.unit.reshape(shape) if rows == 0 else op.unit


def _never_clips(state: Discretisation, name: str, op: Synapse, mantissa: np.ndarray, bits: int) -> bool:
    """Whether ||w|| ||x|| proves it for inputs like the calibration set's; other layers are judged by their reach."""
    if not isinstance(op, DenseSynapse):
        return True
    source = state.network.nodes[name].inputs[0]
    reach = np.linalg.norm(mantissa, axis=1).max() * float(state.seen.norms[source]) * (2**bits - 1)
    return bool(reach <= state.chip.state_limit)


def _row_unit(state: Discretisation, name: str, op: Synapse, bits: int) -> np.ndarray:
    """Units of potentials over powers of two, in (1/2, 1], (out,): thresholds take any unit, a residual stream does not.

    Where neurons with one spike read, the unit goes with their scale, so that their thresholds are powers of two apart;
    where they have more, and so know their potentials better than 8 bits do, a row's largest weight is the largest
    mantissa.
    """
    readers = state.network.readers(name)
    reader = state.network[readers[0]] if len(readers) == 1 and state.ingredients.row_units else None
    unit = np.ones(len(op.weight))
    if isinstance(reader, PhaseNeuron) and reader.spikes > 1:
        largest = np.abs(op.weight).reshape(len(unit), -1).max(1)
        unit = np.where(largest > 0, largest / mantissa_limit(state.chip.weight_bits) / (2**bits - 1), 1.0)
    elif isinstance(reader, PhaseNeuron) and reader.schedule.function in LINEAR:
        unit = np.broadcast_to(reader.scale.reshape(-1), len(unit))
    return unit / 2.0 ** np.ceil(np.log2(unit))


def _column(rows: np.ndarray, weight: np.ndarray) -> tuple[int, ...]:
    """Shape in which per-row values broadcast over weights."""
    return rows.shape + (1,) * (weight.ndim - rows.ndim)


def _row_shape(op: Synapse) -> tuple[int, ...]:
    return op.weight.shape if isinstance(op, ScaleSynapse) else (len(op.weight),)


def _reduce_to(values: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """Largest value over the axes that ``shape`` has with length 1."""
    axes = tuple(a for a, size in enumerate(shape) if size == 1)
    return np.broadcast_to(values.max(axes, keepdims=True) if values.ndim == len(shape) else values.max(), shape)
