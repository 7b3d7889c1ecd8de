"""Dynamic thresholds in integers: a table cut to the chip's width, multiplied by the row's sum and shifted."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np

from processes.chips import INT64
from processes.dynamic_threshold import DynamicThreshold
from processes.integers import FixedPosition, Integers, Setting, integers

COMPARED_BITS = INT64 - 2  # of a drive shifted left, so that (drive + 1) << shift stays inside 64 bits


@integers.of(DynamicThreshold)
def _(op: DynamicThreshold, at: FixedPosition, setting: Setting) -> Integers:
    """The neuron with an integer table that multiplies S or Qs, and integer levels and midpoints for further spikes."""
    divided, divisor = at.operands
    chip, unit = setting.chip, divided.integer_unit
    theta = op.scale.reshape(-1, 1) * op.code.midpoints
    found: dict[str, Any] = {"state_bits": chip.state_bits}
    if op.squared:
        factor_unit = float(divisor.integer_unit.max())
        peak = divided.reach / float(unit.max())
        drive_shift = max(0, math.ceil(math.log2(max(peak, 1.0) / 2 ** (chip.norm_drive_bits - 1))))
        drive_shift += setting.coarser
        drive_unit = float(unit.max()) * 2**drive_shift
        real = theta**2 * factor_unit / (op.features * drive_unit**2)
        found |= {"drive_bits": chip.norm_drive_bits, "drive_shift": drive_shift}
        found |= {"offset": float(max(1, round(op.offset / factor_unit))), "low": float(round(op.low / factor_unit))}
    else:
        # weights that are divided before any product come through a synapse, whose trace is as fine
        first = divided.formed_by or 2 ** (chip.trace_bits - 1) - 1
        found["trace"] = divisor.code.trace_from(first)
        real = theta / np.broadcast_to(unit, op.scale.shape).reshape(-1, 1) / first
    # as many fraction bits as keep a neuron's largest entry within norm_cut_bits
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
    return Integers(replace(op, **found))
