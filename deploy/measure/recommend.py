"""The point of a sweep to take, by a rule that a sentence can say."""

from __future__ import annotations

import math
from collections.abc import Sequence

from deploy.energy import USUAL
from deploy.measure.quality import Quality, quality_of
from deploy.schema import Measured, Point

SLACK = 2.0
"""Without classes there is no standard error: what is lost may be so many times the least."""


def recommended(points: Sequence[Point]) -> tuple[int, str] | None:
    """The number of the point that costs least among those that are as good as the best, and why; None of fewer than two.

    As good is what loses no more than the best point does, give or take its standard error (the rule of one standard error,
    known from cross-validation); of outputs that are no classes, at most SLACK times as much.
    """
    done = [(number, point) for number, point in enumerate(points) if isinstance(point, Measured)]
    quality = quality_of([point for _, point in done])
    if quality is None or len(done) < 2 or any(USUAL not in point.energy for _, point in done):
        return None
    best = min((point for _, point in done), key=quality.loss)
    slack = _slack(quality, best)
    good = [(number, point) for number, point in done if quality.loss(point) <= quality.loss(best) + slack]
    number, point = min(good, key=lambda entry: entry[1].cost(USUAL))
    base = f"{point.chosen_base:g}{' (auto)' if point.base == 'auto' else ''}"
    what = f"T = {point.timesteps}, B = {base}, {_spikes(point.spikes)}"
    if quality.key == "output_cosine":
        rule = f"lose at most {SLACK:g} times what the best one loses of the outputs' cosine"
    else:
        rule = (
            f"are as good as the best one within one standard error ({slack:.2g} points of {quality.title} on "
            f"{best.samples:,} samples)"
        )
    title = point.energy[USUAL].title
    return number, f"Recommended: {what}. Of the points that {rule} it takes the least energy by “{title}”."


def _slack(quality: Quality, best: Measured) -> float:
    """How much more than the best a point may lose, in the unit of the quality's loss; a share of one is known to 1/n."""
    if quality.key == "output_cosine":
        return (SLACK - 1) * quality.loss(best)
    if quality.key == "expected_loss":
        return 100 * (best.expected_loss_error or 0.0)
    share = getattr(best, quality.key)
    return 100 * max(math.sqrt(share * (1 - share) / best.samples), 1 / best.samples)


def _spikes(most: object) -> str:
    return {"1": "1 spike", "auto": "spikes by choice"}.get(str(most), f"{most} spikes")
