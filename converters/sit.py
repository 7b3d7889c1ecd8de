"""The SIT method's neurons in a lowered network: which tables they take, in the units of what they hear, real or integer.

Everything else is coded by multi-spike neurons of base 2 (``spikes`` binary digits of a value, signed), in a window of K
steps, as many as the fitted neurons take: a spike at step k is worth 2^-k of its neuron's scale.
"""

from __future__ import annotations

import math

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


def fold_exp(op: SiExp, unit: np.ndarray, steps: int, extended: bool, reach: float = REACH) -> None:
    """Tables in units of the logits' potentials; ``unit`` is the real value of one, by head, before the attention scale."""
    per = 1.0 / (unit.reshape(-1) * op.gain)[:, None]  # (heads or 1, 1)
    if not extended:
        table, phases = load_table("exp", steps, *PUBLISHED), 1
    else:
        digits, phases = division(steps, reach)
        half = math.log(2) / phases / 2
        table = halving("exp", steps - digits, -half, half)
        op.clock, op.half = 2 * half * 2.0 ** np.arange(digits - 1, -1, -1) * per, half * per[:, 0]
    op.threshold, op.reset = table.threshold * per, table.reset * per
    op.output = 2.0 ** (-np.arange(phases)[:, None] / phases) * table.output


def fold_norm(op: SiNorm, exponential: SiExp, steps: int) -> None:
    """How it reads its exponential."""
    op.output, op.digits, op.steps = exponential.output, exponential.digits, steps


def set_norm_scale(op: SiNorm, peak: float) -> None:
    """The power of two from the largest share on."""
    op.scale = np.full((1,) * len(op.shape), 2.0 ** min(0, math.ceil(math.log2(peak))))


def set_neuron_table(op: SiNeuron, name: str, peak: float, steps: int) -> None:
    """The table of the smallest range that holds the calibrated potentials, in real units.

    Raises:
        DeployError: no range does, or no table has this many steps.
    """
    fits = [r for r in RANGES if r >= peak * HEADROOM]
    if not fits:
        held = f"'{name}': potentials of {op.function} reach {peak:.3g}, fitted tables +-{RANGES[-1]:g}"
        raise DeployError(f"{held}; use --activation schedule")
    table = load_table(op.function, steps, -fits[0], fits[0])
    op.threshold, op.reset, op.output = table.threshold[None], table.reset[None], table.output


def fold_neuron(op: SiNeuron, unit: np.ndarray) -> None:
    """Its table in units of its potential, one row per neuron of ``unit``."""
    per = 1.0 / unit.reshape(-1, 1)
    op.threshold, op.reset, op.unit = op.threshold * per, op.reset * per, unit


def integer_exp(op: SiExp, finer: np.ndarray, chip: Chip) -> None:
    """Integer tables; ``finer`` is how many integer units one unit of v has, (heads or 1, 1)."""
    op.threshold, op.reset = entries(op.threshold * finer), entries(op.reset * finer)
    if op.clock is not None and op.half is not None:
        op.clock, op.half = entries(op.clock * finer), entries(op.half * finer[:, 0])
    op.output, op.unit = integer_output(op, chip)
    op.state_bits = chip.state_bits


def integer_output(op: SiExp, chip: Chip) -> tuple[np.ndarray, float]:
    """d as int32 (phases, K) and the real value of 1, such that twice a row's sum stays inside a potential."""
    largest = op.shape[-1] * max(1.0, float(np.abs(op.output).sum(1).max()))
    bits = min(chip.exponential_bits, chip.state_bits - 2 - math.ceil(math.log2(largest)))
    return np.rint(op.output * 2.0**bits).astype(np.int32), 2.0**-bits


def integer_neuron(op: SiNeuron, unit: np.ndarray, chip: Chip) -> None:
    """Integer thresholds by the real value ``unit`` of the potential's unit."""
    finer = (op.unit / unit).reshape(-1, 1)
    op.threshold, op.reset = entries(op.threshold * finer), entries(op.reset * finer)
    op.unit, op.state_bits = (
        np.broadcast_to(unit, np.broadcast_shapes(unit.shape, op.unit.shape)).copy(),
        chip.state_bits,
    )


def entries(table: np.ndarray) -> np.ndarray:
    """Rounded to int32, clipped far beyond any potential."""
    return np.rint(np.clip(table, ALWAYS // 4, NEVER // 4)).astype(np.int32)
