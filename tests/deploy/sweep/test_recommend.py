"""Which point of a sweep is recommended."""

from __future__ import annotations

from typing import Any

from deploy.energy import USUAL
from deploy.measure.recommend import recommended
from deploy.schema import Failed, Joules, Measured
from tests.deploy.reports import point


def swept(timesteps: int, microjoules: float, **known: Any) -> Measured:
    energy = {USUAL: Joules(title="everything", snn=microjoules, fp32=1.0, int8=1.0)}
    return point(timesteps, energy=energy, **known)


def test_the_cheapest_of_those_as_good_as_the_best_within_its_standard_error() -> None:
    best, near, worse = (
        swept(steps, microjoules, ann_accuracy=0.9, accuracy=accuracy)
        for steps, microjoules, accuracy in ((40, 9.0, 0.9), (16, 4.0, 0.875), (8, 1.0, 0.8))
    )  # 0.9 on 100 samples is known to 3 points
    found = recommended([best, near, worse])
    assert found is not None and found[0] == 1
    assert "T = 16" in found[1] and "3 points of accuracy on 100 samples" in found[1] and "everything" in found[1]
    farther = swept(16, 4.0, ann_accuracy=0.9, accuracy=0.865)
    found = recommended([best, farther, worse])
    assert found is not None and found[0] == 0  # 3.5 points are too many: what costs more is taken


def test_a_share_of_one_has_an_error_too() -> None:
    points = [swept(40, 9.0, agreement=1.0), swept(16, 4.0, agreement=0.99), swept(8, 1.0, agreement=0.98)]
    found = recommended(points)
    assert found is not None and found[0] == 1  # one of 100 samples, not two


def test_outputs_that_are_no_classes_may_lose_twice_the_least() -> None:
    cosines = (0.999, 0.9985, 0.997)
    found = recommended([swept(40 - n, 9.0 - n, output_cosine=cosine) for n, cosine in enumerate(cosines)])
    assert found is not None and found[0] == 1 and "2 times" in found[1]


def test_nothing_is_recommended_of_one_point_or_of_points_that_cannot_be_judged() -> None:
    one = swept(8, 1.0, agreement=0.9)
    failed = Failed(timesteps=4, base="auto", method="m", precision="fixed", spikes=1, failed="it does not fit")
    assert recommended([one]) is None and recommended([one, failed]) is None
    assert recommended([swept(8, 1.0), swept(16, 2.0)]) is None
    assert recommended([point(8, agreement=0.9), point(16, agreement=0.9)]) is None  # no energy
