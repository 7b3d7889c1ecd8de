"""Recommends a point of a sweep, by the one-standard-error rule."""

from __future__ import annotations

import math
from collections.abc import Sequence

from deploy.energy import USUAL
from deploy.measure.quality import Quality, quality_of
from deploy.schema import Measured, Point

SLACK = 2.0
"""Largest acceptable loss, in multiples of the least, of outputs that are not classes and have no standard error."""


def recommended(points: Sequence[Point]) -> tuple[int, str] | None:
    """Index of the point of least energy among those that are as good as the best, and a sentence that says why.

    A point is as good as the best if it loses at most one standard error more (the one-standard-error rule, known from
    cross-validation); for outputs that are not classes, if its loss is at most SLACK times the least.

    Returns:
        None if fewer than two points were converted, they share no quality measure, or one has no energy (``USUAL``).
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
    """How much more than the best a point may lose, in the unit of the loss; for shares at least one sample's worth."""
    if quality.key == "output_cosine":
        return (SLACK - 1) * quality.loss(best)
    if quality.key == "expected_loss":
        return 100 * (best.expected_loss_error or 0.0)
    share = getattr(best, quality.key)
    return 100 * max(math.sqrt(share * (1 - share) / best.samples), 1 / best.samples)


def _spikes(most: object) -> str:
    return {"1": "1 spike", "auto": "spikes by choice"}.get(str(most), f"{most} spikes")
