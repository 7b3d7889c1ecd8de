"""What a conversion is worth beside the original: the measure that its points have, and the loss in it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from deploy.schema import Measured


@dataclass(frozen=True)
class Quality:
    """key: the field of a point. lost: what is lost is called. loss: of a point that has it, in the unit of that name."""

    key: str
    title: str
    lost: str
    loss: Callable[[Measured], float]


def _points(share: float) -> float:
    """Percentage points, rounded so that 5 of 1,000 samples are 0.5 of them, not 0.5000000000000004."""
    return round(100 * share, 9)


def _known(value: float | None) -> float:
    """A number that :func:`quality_of` found all points to have."""
    if value is None:
        raise ValueError("a point is judged by a number that it lacks")
    return value


# From what says most to what says least. An expected loss takes its standard error with it: it is compared with limits.
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
    """The first that all ``points`` have; None if there is none, or no point."""
    return next((q for q in QUALITIES if points and all(getattr(point, q.key) is not None for point in points)), None)
