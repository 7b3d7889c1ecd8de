"""Thresholds become integers in the units of the potentials that they are compared with."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np

from converters.discretise.products import first_level
from converters.discretise.state import Discretisation
from processes.chips import INT64
from processes.fixed import to_mantissa
from processes.network import DynamicThreshold, PhaseNeuron, TraceProduct, Woss
from processes.phase_neuron.activations import rests_above_zero
from processes.phase_neuron.schedule import ALWAYS, LINEAR, NEVER, FixedSchedule
from processes.phase_neuron.sequel import real_sequel, root_tables

COMPARED_BITS = INT64 - 2  # of a normaliser's drive shifted left, so that (drive + 1) << shift stays inside 64 bits


def phase_neuron(state: Discretisation, name: str, op: PhaseNeuron) -> PhaseNeuron:
    """A schedule of integers, times a mantissa and a shift for each neuron."""
    chip, old, unit = state.chip, op.schedule, state.arriving(name)
    shape = np.broadcast_shapes(old.scale.shape, unit.shape)
    scale, unit = (np.ascontiguousarray(np.broadcast_to(a, shape)) for a in (old.scale, unit))
    if old.function in LINEAR:
        classes, index = np.ones(1), np.zeros(shape, np.int32)
        real = scale / unit
    else:
        classes, inverse = np.unique(scale, return_inverse=True)
        index, real = inverse.reshape(shape).astype(np.int32), 1.0 / unit
    pos, lo, hi = root_tables(old.function, classes, old.code)
    prefixes, after = None, None
    if op.spikes > 1 and old.function not in LINEAR:
        prefixes, after = real_sequel(old.function, classes, old.code, op.spikes)
    reach = np.stack([pos, lo, hi], 1).reshape(len(classes), -1)
    reach = reach if after is None else np.concatenate([reach, after.reshape(len(classes), -1)], 1)
    entry = 2.0 ** _spare_bits(reach, chip.schedule_bits)  # (classes,)
    tables = [_entries(table * entry[:, None]) for table in (pos, lo, hi)]
    if not rests_above_zero(old.function):  # rounding must not let a silent neuron fire
        tables[0], tables[2] = np.maximum(tables[0], 1), np.minimum(tables[2], -1)
    mantissa = to_mantissa(real / entry[index], chip.threshold_bits, axis=tuple(range(len(shape))), signed=False)
    schedule = FixedSchedule(
        function=old.function, scale=scale, base=old.base, steps=old.steps,
        mantissa=mantissa.mantissa, shift=-mantissa.exponent, scale_class=index,
        pos=tables[0], lo=tables[1], hi=tables[2], level=_entries(old.code.levels * entry[0]),
        prefixes=prefixes, after=None if after is None else _entries(after * entry[:, None, None, None]),
    )  # fmt: skip
    return replace(op, schedule=schedule, state_bits=chip.state_bits)


def dynamic_threshold(state: Discretisation, name: str, op: DynamicThreshold) -> DynamicThreshold:
    """A table that is multiplied by S or Qs, and levels and midpoints for second spikes."""
    inputs = state.network.nodes[name].inputs
    chip, unit = state.chip, state.units[inputs[0]]
    theta = op.scale.reshape(-1, 1) * op.code.midpoints
    found: dict[str, Any] = {"state_bits": chip.state_bits}
    if op.squared:
        factor_unit = float(state.units[inputs[1]].max())
        peak = state.seen.reach(inputs[0]) / float(unit.max())
        drive_shift = max(0, math.ceil(math.log2(max(peak, 1.0) / 2 ** (chip.norm_drive_bits - 1))))
        drive_shift += state.coarser.get(name, 0)
        drive_unit = float(unit.max()) * 2**drive_shift
        real = theta**2 * factor_unit / (op.features * drive_unit**2)
        found |= {"drive_bits": chip.norm_drive_bits, "drive_shift": drive_shift}
        found |= {"offset": float(max(1, round(op.offset / factor_unit))), "low": float(round(op.low / factor_unit))}
    else:
        product = state.network[inputs[0]]
        # weights that are divided before any product come through a synapse, whose trace is as fine
        formed = isinstance(product, TraceProduct)
        first = first_level(state, inputs[0]) if formed else 2**chip.reduced_trace_bits - 1
        found["trace"] = state.network.code(inputs[1]).trace_from(first)
        real = theta / np.broadcast_to(unit, op.scale.shape).reshape(-1, 1) / first
    # as many fraction bits as keep a neuron's largest entry within the cut
    drive_bits = 2 * (chip.norm_drive_bits - 1) if op.squared else chip.state_bits
    most = COMPARED_BITS - drive_bits
    shift = np.clip(chip.norm_cut_bits - np.ceil(np.log2(real[:, 0])), 0, most).astype(np.int64)
    table = np.rint(np.minimum(real * 2.0 ** shift[:, None], 2.0**chip.norm_cut_bits - 1)).astype(np.int64)
    found |= {"table": table, "shift": shift}
    if op.spikes > 1:
        power = 2 if op.squared else 1
        numbers = (op.code.levels, op.code.midpoints)
        levels, midpoints = (np.rint(2.0**chip.level_bits * x).astype(np.int64) for x in numbers)
        gain = real[:, 0] / op.code.midpoints[0] ** power * 2.0 ** (shift - chip.level_bits * power)
        bits = np.clip(chip.threshold_bits - np.ceil(np.log2(gain)), 0, COMPARED_BITS)
        gain = np.rint(np.minimum(gain * 2.0**bits, 2.0**chip.threshold_bits - 1)).astype(np.int64)
        found |= {"levels": levels, "midpoints": midpoints, "gain": gain, "gain_shift": bits.astype(np.int64)}
    return replace(op, **found)


def race(state: Discretisation, name: str, op: Woss) -> Woss:
    """Softmax's ramp, and its thresholds by what was sent, in units that have shrunk since floating point."""
    finer = state.finer(name)
    return replace(
        op,
        ramp=np.minimum(np.rint(op.ramp * finer), NEVER).astype(np.int32),
        race=None if op.race is None else _entries(op.race * finer),
        after=None if op.after is None else _entries(op.after * finer[..., None, None]),
        state_bits=state.chip.state_bits,
    )


def _spare_bits(tables: np.ndarray, bits: int) -> np.ndarray:
    """Fraction bits with which the largest finite entry of each class fits ``bits`` unsigned bits."""
    finite = np.where(np.isfinite(tables), np.abs(tables), 0.0)
    return bits - 1 - np.ceil(np.log2(np.maximum(finite.max(1), 2.0**-bits)))


def _entries(table: np.ndarray) -> np.ndarray:
    """Rounded entries; +inf is never reached and -inf always."""
    rounded = np.rint(np.clip(table, ALWAYS + 1, NEVER - 1))
    return np.where(table == np.inf, NEVER, np.where(table == -np.inf, ALWAYS, rounded)).astype(np.int32)
