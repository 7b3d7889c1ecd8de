"""The SIT method's neurons in a lowered network: which tables they take, in the units of what they hear, real or integer.

Everything else is coded by multi-spike neurons of base 2 (``spikes`` binary digits of a value, signed), in a window of K
steps, as many as the fitted neurons take: a spike at step k is worth 2^-k of its neuron's scale.
"""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np

from processes.chips import Chip
from processes.phase_neuron.schedule import ALWAYS, NEVER
from processes.si_exp import SiExp
from processes.si_neuron import SiNeuron


def integer_exp(op: SiExp, finer: np.ndarray, chip: Chip) -> SiExp:
    """With integer tables; ``finer`` is how many integer units one unit of v has, (heads or 1, 1)."""
    output, unit = integer_output(op, chip)
    return replace(
        op,
        threshold=entries(op.threshold * finer),
        reset=entries(op.reset * finer),
        clock=None if op.clock is None else entries(op.clock * finer),
        half=None if op.half is None else entries(op.half * finer[:, 0]),
        output=output,
        unit=unit,
        state_bits=chip.state_bits,
    )


def integer_output(op: SiExp, chip: Chip) -> tuple[np.ndarray, float]:
    """d as int32 (phases, K) and the real value of 1, such that twice a row's sum stays inside a potential."""
    largest = op.shape[-1] * max(1.0, float(np.abs(op.output).sum(1).max()))
    bits = min(chip.exponential_bits, chip.state_bits - 2 - math.ceil(math.log2(largest)))
    return np.rint(op.output * 2.0**bits).astype(np.int32), 2.0**-bits


def integer_neuron(op: SiNeuron, unit: np.ndarray, chip: Chip) -> SiNeuron:
    """With integer thresholds by the real value ``unit`` of the potential's unit."""
    finer = (op.unit / unit).reshape(-1, 1)
    return replace(
        op,
        threshold=entries(op.threshold * finer),
        reset=entries(op.reset * finer),
        unit=np.broadcast_to(unit, np.broadcast_shapes(unit.shape, op.unit.shape)).copy(),
        state_bits=chip.state_bits,
    )


def entries(table: np.ndarray) -> np.ndarray:
    """Rounded to int32, clipped far beyond any potential."""
    return np.rint(np.clip(table, ALWAYS // 4, NEVER // 4)).astype(np.int32)
