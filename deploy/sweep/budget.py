"""Searches for the cheapest code within a limit on the loss: a sweep that is judged on held-back calibration data.

Cost grows with T and with spikes. So T is raised step by step, and a number of spikes that costs at least as much as
the cheapest point within the limit is not tried at a larger T.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Literal, NamedTuple, cast

from deploy.energy import USUAL as CONVENTION
from deploy.errors import DeployError
from deploy.measure import Quality, quality_of
from deploy.options import Budget, ConvertOptions
from deploy.options.devices import usual_workers
from deploy.progress import Progress
from deploy.schema import LATENCY, BudgetSearch, Failed, Measured
from deploy.schema import Point as Result
from deploy.sources import Data, LoadedModel, shared_samples
from deploy.steps import held_back
from deploy.sweep.front import fronts
from deploy.sweep.point import Point, keep_original, original
from deploy.sweep.workers import processes, results
from processes.leftovers import scratch_folder

Run = Callable[[Sequence[Point]], Sequence[Result]]
"""Converts and measures points; results in the same order."""


class Axes(NamedTuple):
    """Values of T and of spikes that a search tries, each from cheap to expensive."""

    timesteps: Sequence[int]
    spikes: Sequence[int | Literal["auto"]]


RATES = (16, 32, 64, 128, 256)
TRIED = {
    "spiked-attention": Axes((8, 12, 16, 24, 32, 40), (1, "auto", 2)),
    "sit": Axes((8, 10, 12, 14, 16), (6,)),
    "rate-coded": Axes(RATES, (1,)),
    "qcfs": Axes(RATES, (1,)),
    "snm": Axes(RATES, (1,)),
    "mst": Axes(RATES, (1,)),
    "fs": Axes((8, 12, 16), (1,)),
}


@dataclass(frozen=True)
class Found:
    """options: of a conversion with the chosen code. record: the search, for the report."""

    options: ConvertOptions
    record: BudgetSearch


def search(options: ConvertOptions, model: LoadedModel, calibration: Data, classes: bool, progress: Progress) -> Found:
    """Find the cheapest T and number of spikes, of those that ``options`` leave open, within the options' budget.

    Points are converted on one part of ``calibration`` and judged on the rest; an open base is chosen for each point.
    ``classes``: whether the model's outputs are class scores, which a budget of accuracy needs.

    Raises:
        DeployError: no point stays within the budget, none could be converted, or the outputs are not class scores.
    """
    budget = options.loss
    assert budget is not None
    if not (budget.cosine or classes):
        raise DeployError(
            f"--budget {budget}: {model.spec} is not known to give class scores, so that it has no accuracy to lose; give "
            "--budget cosine=0.997, or --eval data with labels"
        )
    rest, judged = held_back(calibration)
    cheapest = options.cheapest or "energy"
    shared = replace(options, target="closed-form", out=None, force=False)
    axes = open_axes(options)
    workers = min(usual_workers(options.device), len(axes.spikes))
    with scratch_folder("search") as folder, processes(workers) as pool:
        keep_original(original(folder), model, judged, options.batch_size, progress, options.device)
        with progress.stage("search", len(axes.timesteps) * len(axes.spikes)) as advance:

            def run(points: Sequence[Point]) -> list[Result]:
                done: dict[Point, Result] = {}
                for point, result in results(pool, shared, points, folder):
                    done[point] = result
                    advance(1)
                return [done[point] for point in points]

            points = climb(options, axes, run)
            advance(len(axes.timesteps) * len(axes.spikes) - len(points))  # points that were skipped
    number = choose(points, budget, cheapest)
    chosen, quality = cast(Measured, points[number]), _quality(points)
    record = BudgetSearch(
        limit=str(budget), largest_loss=budget.largest_loss, measure=quality.key, loss=quality.loss(chosen),
        cheapest=cheapest, convention=CONVENTION,
        calibrated_on=len(rest), samples=len(judged), shared_samples=shared_samples(rest, judged),
        chosen=number, points=tuple(points), fronts=fronts(points),
    )  # fmt: skip
    return Found(replace(options, timesteps=chosen.timesteps, base=chosen.base, spikes=chosen.spikes), record)


def open_axes(options: ConvertOptions) -> Axes:
    """The values of T and spikes to try: those of ``TRIED`` for the method, or the one that the options give."""
    tried = TRIED[options.method]
    return Axes(
        tried.timesteps if options.timesteps is None else (int(options.timesteps),),
        tried.spikes if options.spikes is None else (options.spikes,),
    )


def climb(options: ConvertOptions, axes: Axes, run: Run) -> list[Result]:
    """Run the points that can be the cheapest within the budget, T ascending; return all results, failures included."""
    assert options.loss is not None
    found: list[Result] = []
    spikes, kind = axes.spikes, _kinds(options.cheapest)[0]
    for steps in axes.timesteps:
        row = run([Point(steps, options.code.base, options.method, options.precision, n) for n in spikes])
        found += row
        least = min((point.cost(kind) for point in _done(found) if meets(point, options.loss)), default=math.inf)
        dear = (place for place, point in enumerate(row) if isinstance(point, Measured) and point.cost(kind) >= least)
        spikes = spikes[: next(dear, None)]
        if not spikes:
            break
    return found


def _kinds(cheapest: str | None) -> tuple[str, str]:
    """The cost that is minimised, and the one that decides between equals."""
    return (LATENCY, CONVENTION) if cheapest == LATENCY else (CONVENTION, LATENCY)


def meets(point: Result, budget: Budget) -> bool:
    """Whether a point was converted and its loss is within the budget."""
    return isinstance(point, Measured) and _quality([point]).loss(point) <= budget.largest_loss


def _done(points: Sequence[Result]) -> list[Measured]:
    """The points that could be converted."""
    return [point for point in points if isinstance(point, Measured)]


def choose(points: Sequence[Result], budget: Budget, cheapest: str) -> int:
    """Index of the cheapest point within the budget; ties go to the lower other cost, then to the smaller loss.

    Raises:
        DeployError: no point is within the budget; the message names the nearest one.
    """
    quality = _quality(points)
    within = [
        (number, point) for number, point in enumerate(points) if isinstance(point, Measured) and meets(point, budget)
    ]
    if not within:
        raise DeployError(_nearest(_done(points), budget, quality))
    kinds = _kinds(cheapest)
    return min(within, key=lambda item: (*map(item[1].cost, kinds), quality.loss(item[1])))[0]


def _quality(points: Sequence[Result]) -> Quality:
    """The quality measure of the points; raises DeployError with the first failure if none could be converted."""
    quality = quality_of(_done(points))
    if quality is None:
        raise DeployError(next(point.failed for point in points if isinstance(point, Failed)))
    return quality


def _nearest(points: Sequence[Measured], budget: Budget, quality: Quality) -> str:
    """Error message that names the point nearest to the budget."""
    nearest = min(points, key=quality.loss)
    loss = quality.loss(nearest)
    if budget.cosine:
        lost, wider = f"a cosine of {1 - loss:.4f}", f"cosine={math.floor(1e4 * (1 - loss)) / 1e4:g}"
    else:
        lost, wider = f"{loss:.2f} {quality.lost}", f"{math.ceil(100 * loss) / 100:g}"
    longer = "" if nearest.method == "sit" else f", or a --timesteps above {max(point.timesteps for point in points)}"
    return (
        f"--budget {budget}: nothing that was tried stays within it; nearest is --timesteps {nearest.timesteps} --spikes "
        f"{nearest.spikes} with {lost}, on {nearest.samples} held-back samples; give --budget {wider}{longer}"
    )
