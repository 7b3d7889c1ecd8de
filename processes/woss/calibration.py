"""Calibration of WOSS: a ramp of ln B per step in units of the logits, and thresholds by which a winner is found."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch

from processes import calibration
from processes.calibration import NEW_SPIKES, Coding, Observation, Position
from processes.woss import Woss
from processes.woss.further import further_thresholds

calibration.features.of(Woss)(calibration.as_operand)
calibration.feature_axis.always(-1, Woss)
calibration.weights.always("none", Woss)
calibration.accepts.always("equal units", Woss)
calibration.scaled.of(Woss)(calibration.as_it_is)  # a winner is 1
calibration.rescaled.of(Woss)(calibration.as_it_is)
calibration.factors.always("none", Woss)
calibration.coded.of(Woss)(calibration.with_spikes)
calibration.worth.of(Woss)(calibration.own_scale)
calibration.picks.refuse(NEW_SPIKES, Woss)
calibration.unit.of(Woss)(calibration.real_units)
calibration.shared.always((), Woss)
calibration.used.always(None, Woss)


@calibration.observed.of(Woss)
def _(op: Woss, shape: tuple[int, ...]) -> Observation:
    """The smallest winner, negated, and the largest, as observations are maxima."""

    def winners(v: torch.Tensor) -> np.ndarray:
        largest = v.amax(-1).double()
        return np.array([-float(largest.min()), float(largest.max())])

    return Observation("operand", winners)


@calibration.folded.of(Woss)
def _(op: Woss, at: Position, coding: Coding) -> Woss:
    """The operation with a ramp by head in units of its logits, and thresholds of further spikes and of the race."""
    code = coding.code
    per_head = calibration.unit_by_head(at).reshape(-1) * op.gain
    prefixes, after = further_thresholds(code, op.spikes) if op.spikes > 1 else (None, None)
    op = replace(
        op,
        base=code.base,
        steps=code.steps,
        ramp=(np.arange(code.steps) + 0.5) * np.log(code.base) / per_head[:, None],
        prefixes=prefixes,
        after=None if after is None else after / per_head[:, None, None, None],
    )
    op = replace(op, race=_race_thresholds(op, coding.peak) if coding.race else None)
    if not coding.sharpen:
        return op
    return replace(op, ramp=op.ramp / op.base, after=None if op.after is None else op.after / op.base)


def _race_thresholds(op: Woss, winners: np.ndarray | None) -> np.ndarray:
    """Thresholds (heads or 1, steps) that fall from the largest calibrated winner to the smallest, by ln B per step.

    ``winners`` is the observed (-smallest, largest) winner; the last threshold is -inf.
    """
    assert winners is not None
    low, high = -winners[0], winners[1]
    fall = op.ramp[:, 1] - op.ramp[:, 0]  # in units of the potential, per head
    real = np.log(op.base) / (fall * op.gain)
    steps = max(2, int(np.ceil((high - low) / (fall * real).min())) + 1)
    thresholds = high / real[:, None] - np.arange(steps) * fall[:, None]
    thresholds[:, -1] = -np.inf  # every row finds a winner, whatever its potentials
    return thresholds
