"""Calibration of SI-exp: which tables it takes, in units of the logits that it hears (SIT-conversion; docs/design.md)."""

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

REACH = 12.5  # of the clock: an exponential further behind is below 2^-18, and adds nothing
PUBLISHED = (-1.0, 1.0)

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
    """With tables for the logits of each head; with a clock if it has one."""
    return with_tables(op, calibration.unit_by_head(at), coding.code.steps, op.clock is not None)


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


def with_tables(op: SiExp, logits: np.ndarray, steps: int, extended: bool, reach: float = REACH) -> SiExp:
    """With tables in units of the logits' potentials.

    Args:
        op: in real units.
        logits: real value of one of these units before the attention scale, by head.
        steps: K.
        extended: with a clock, which reaches exp(-reach); without, as published, exp is fitted on [-1, 1] alone.
        reach: how far logits may lie behind the largest.
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
