"""Calibration of SI-exp: chooses its tables, in units of the logits it receives (SIT-conversion; docs/design.md)."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np

from processes import calibration
from processes.calibration import NEW_SPIKES, Coding, Position
from processes.errors import DeployError
from processes.si_exp import SiExp
from processes.si_exp.fit import halving
from processes.si_exp.table import load_table

REACH = 12.5  # of the clock, below the largest logit: exponentials beyond it are less than 2^-18 and count as 0
PUBLISHED = (-1.0, 1.0)  # the range on which the paper fits exp

for trait in (calibration.scaled, calibration.rescaled, calibration.coded):
    trait.of(SiExp)(calibration.as_it_is)
calibration.factors.always("none", SiExp)
calibration.features.of(SiExp)(calibration.as_operand)
calibration.feature_axis.always(-1, SiExp)
calibration.weights.always("none", SiExp)
calibration.accepts.always("equal units", SiExp)
calibration.observed.always(None, SiExp)
calibration.worth.of(SiExp)(calibration.own_scale)
calibration.picks.refuse(NEW_SPIKES, SiExp)
calibration.unit.of(SiExp)(calibration.real_units)
calibration.shared.always((), SiExp)
calibration.used.always(None, SiExp)


@calibration.folded.of(SiExp)
def _(op: SiExp, at: Position, coding: Coding) -> SiExp:
    """Set the tables for the unit of each head's logits, in the form that the lowered operation has (clock or not)."""
    return with_tables(op, calibration.unit_by_head(at), coding.code.steps, op.clock is not None)


def division(steps: int, reach: float) -> tuple[int, int]:
    """Divide K = ``steps`` into clock and fitted steps: returns (J, phases) with which the clock reaches exp(-reach).

    c = ln 2 / phases. The smaller c, the straighter exp is on the interval of the K - J fitted steps, but the larger
    their table of phases. The error is about reach / 2^K wherever c is small.

    Raises:
        DeployError: there are fewer steps than :func:`least_steps`.
    """
    if steps < least_steps(reach):
        raise DeployError(
            f"--timesteps {steps}: exponentials down to exp(-{reach:g}) take {least_steps(reach)} steps or more; 12 suits most"
        )
    digits = max(least_steps(reach) - 2, min(steps - 2, steps // 2 + 2))
    return digits, int(math.log(2) * (2.0**digits - 0.5) / reach)


def least_steps(reach: float) -> int:
    """The smallest K whose clock reaches exp(-reach), two fitted steps included."""
    return 2 + math.ceil(math.log2(reach / math.log(2) + 0.5))


def with_tables(op: SiExp, logits: np.ndarray, steps: int, extended: bool, reach: float = REACH) -> SiExp:
    """The operation with tables in units of the potentials of its logits.

    Args:
        op: the lowered operation, in real units.
        logits: real value of one unit of potential before the attention scale, for all heads or by head.
        steps: K.
        extended: whether there is a clock, which reaches exp(-reach); without one exp is fitted on [-1, 1].
        reach: how far scaled logits may lie below the largest of their row.

    Raises:
        DeployError: there are too few steps, or no table of so many steps is shipped.
    """
    per = 1.0 / (logits.reshape(-1) * op.gain)[:, None]  # (heads or 1, 1)
    if not extended:
        table, phases, clock, half = load_table("exp", steps, *PUBLISHED), 1, None, None
    else:
        digits, phases = division(steps, reach)
        middle = math.log(2) / phases / 2
        table = halving("exp", steps - digits, -middle, middle)
        clock, half = 2 * middle * 2.0 ** np.arange(digits - 1, -1, -1) * per, middle * per[:, 0]
    output = 2.0 ** (-np.arange(phases)[:, None] / phases) * table.output
    return replace(op, threshold=table.threshold * per, reset=table.reset * per, output=output, clock=clock, half=half)
