"""Quality measures by which points of a sweep are compared, and what a point loses to the original by each."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from deploy.schema import Measured


@dataclass(frozen=True)
class Quality:
    """A quality measure of sweep points.

    key: field of :class:`deploy.schema.Measured`. title: name. lost: name of the loss, with its unit. loss: computes
    the loss of a point; raises ValueError if the point lacks the field.
    """

    key: str
    title: str
    lost: str
    loss: Callable[[Measured], float]


def _points(share: float) -> float:
    """A share in percentage points, rounded so that 5 of 1,000 samples are 0.5, not 0.5000000000000004."""
    return round(100 * share, 9)


def _known(value: float | None) -> float:
    """Return ``value``; raises ValueError if it is None."""
    if value is None:
        raise ValueError("a point is judged by a number that it lacks")
    return value


# From the most to the least informative. The expected loss includes its standard error, as it is compared with limits.
QUALITIES = (
    Quality("accuracy", "accuracy", "points of accuracy lost", lambda p: _points(_known(p.ann_accuracy) - _known(p.accuracy))),
    Quality(
        "expected_loss", "expected loss of accuracy", "points of accuracy lost (with one standard error)",
        lambda p: _points(_known(p.expected_loss) + _known(p.expected_loss_error)),
    ),
    Quality("agreement", "agreement with the original", "% of predictions changed", lambda p: _points(1 - _known(p.agreement))),
    Quality("output_cosine", "cosine of outputs", "1 − cosine of outputs", lambda p: 1 - _known(p.output_cosine)),
)  # fmt: skip


def quality_of(points: Sequence[Measured]) -> Quality | None:
    """The first quality measure that all ``points`` have; None if there is none, or no point."""
    return next((q for q in QUALITIES if points and all(getattr(point, q.key) is not None for point in points)), None)
