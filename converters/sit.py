"""The SIT method's neurons in a lowered network: which tables they take, in the units of what they hear, real or integer.

Everything else is coded by multi-spike neurons of base 2 (``spikes`` binary digits of a value, signed), in a window of K
steps, as many as the fitted neurons take: a spike at step k is worth 2^-k of its neuron's scale.
"""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np

from processes.chips import Chip
from processes.errors import DeployError
from processes.phase_neuron.schedule import ALWAYS, NEVER
from processes.si_exp import SiExp
from processes.si_exp.fit import halving
from processes.si_exp.table import load_table
from processes.si_neuron import SiNeuron
from processes.si_norm import SiNorm

REACH = 12.5  # of the clock: an exponential further behind is below 2^-18, and adds nothing
PUBLISHED = (-1.0, 1.0)
RANGES = (2.0, 4.0, 8.0, 16.0)  # of the shipped tables of activations, +-
HEADROOM = 1.1  # what a potential may exceed the calibration set's largest by
FITTED = ("gelu", "silu")


def division(steps: int, reach: float) -> tuple[int, int]:
    """How K steps reach exp(-reach): (J, phases), so that c = ln 2 / phases and the clock's J digits reach that far.

    The finer c, the straighter is exp on what the other K - J steps follow, but the larger their table of phases. Their
    error is about reach / 2^K wherever c is small.

    Raises:
        DeployError: too few steps.
    """
    if steps < least_steps(reach):
        raise DeployError(
            f"--timesteps {steps}: exponentials down to exp(-{reach:g}) take {least_steps(reach)} steps or more; 12 suits most"
        )
    digits = max(least_steps(reach) - 2, min(steps - 2, steps // 2 + 2))
    return digits, int(math.log(2) * (2.0**digits - 0.5) / reach)


def least_steps(reach: float) -> int:
    """K of the fewest digits that reach so far, and two fitted steps."""
    return 2 + math.ceil(math.log2(reach / math.log(2) + 0.5))


def fold_exp(op: SiExp, unit: np.ndarray, steps: int, extended: bool, reach: float = REACH) -> SiExp:
    """With tables in units of the logits' potentials, whose real value before the attention scale is ``unit``, by head."""
    per = 1.0 / (unit.reshape(-1) * op.gain)[:, None]  # (heads or 1, 1)
    if not extended:
        table, phases, clock, half = load_table("exp", steps, *PUBLISHED), 1, None, None
    else:
        digits, phases = division(steps, reach)
        middle = math.log(2) / phases / 2
        table = halving("exp", steps - digits, -middle, middle)
        clock, half = 2 * middle * 2.0 ** np.arange(digits - 1, -1, -1) * per, middle * per[:, 0]
    output = 2.0 ** (-np.arange(phases)[:, None] / phases) * table.output
    return replace(op, threshold=table.threshold * per, reset=table.reset * per, output=output, clock=clock, half=half)


def fold_norm(op: SiNorm, exponential: SiExp, steps: int) -> SiNorm:
    """With the tables by which it reads its exponential."""
    return replace(op, output=exponential.output, digits=exponential.digits, steps=steps)


def norm_scale(op: SiNorm, peak: float) -> np.ndarray:
    """The power of two from the largest share on, broadcast shape."""
    return np.full((1,) * len(op.shape), 2.0 ** min(0, math.ceil(math.log2(peak))))


def fold_neuron(op: SiNeuron, name: str, peak: float, steps: int, unit: np.ndarray) -> SiNeuron:
    """With the table of the smallest range that holds the calibrated potentials up to ``peak``, one row per neuron.

    ``unit`` is the real value of one unit of its potential, broadcast shape.

    Raises:
        DeployError: no range does, or no table has this many steps.
    """
    fits = [r for r in RANGES if r >= peak * HEADROOM]
    if not fits:
        held = f"'{name}': potentials of {op.function} reach {peak:.3g}, fitted tables +-{RANGES[-1]:g}"
        raise DeployError(f"{held}; use --activation schedule")
    table = load_table(op.function, steps, -fits[0], fits[0])
    per = 1.0 / unit.reshape(-1, 1)
    return replace(
        op, threshold=table.threshold[None] * per, reset=table.reset[None] * per, output=table.output, unit=unit
    )


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
