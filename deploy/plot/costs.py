"""Figures of cost: energy of a sample by convention, and loss against cost of a sweep's or search's points."""

from __future__ import annotations

from typing import Any

from deploy.energy import USUAL
from deploy.errors import DeployError
from deploy.measure import QUALITIES, quality_of
from deploy.plot.source import COLOURS, Source, absent, canvas, grid, opened
from deploy.report.energy import CostChart, energy_bars, formula_bars
from deploy.schema import LATENCY, BudgetSearch, Measured, Report

FRONT = "Pareto front"


def cost_charts(report: Report) -> list[CostChart]:
    """The energy charts of a report, as its page shows them: one for each convention, and the FLOPs formula."""
    return energy_bars(report.energy) + formula_bars(report.flops_formula)


def energy(source: Source) -> Any:
    """Microjoules of a sample by convention, beside the original in FP32 and INT8; pale: what the source omits.

    Raises:
        DeployError: the source holds no counted events.
    """
    shown = opened(source)
    charts = cost_charts(shown.known)
    if not charts:
        raise absent(shown, "counted events", "convert again with --force")
    columns = min(2, len(charts))
    rows = -(-len(charts) // columns)
    figure, panels = canvas(rows, columns, 6 * columns, 1.9 * rows + 0.4, f"{shown.known.model}: energy of one sample")
    for empty in list(panels.flat)[len(charts) :]:
        empty.set_axis_off()
    for chart, axes in zip(charts, panels.flat, strict=False):
        for row, bar in enumerate(chart.bars):
            left = 0.0
            for what, joules, _, _, colour, omitted in bar.parts:
                shade = COLOURS[colour if row == 0 else 5]
                label = what if row == 0 and len(bar.parts) > 1 else None
                axes.barh(row, joules, left=left, color=shade, alpha=0.4 if omitted else 1.0, label=label)
                left += joules
        if len(chart.bars[0].parts) > 1:
            axes.legend(fontsize="xx-small", loc="upper left", bbox_to_anchor=(1, 1), frameon=False)
        axes.set_yticks(range(len(chart.bars)), [bar.label for bar in chart.bars], fontsize="x-small")
        axes.set_ylim(len(chart.bars) - 0.5, -0.5)
        axes.set_title(chart.convention.title, fontsize="x-small")
        axes.set_xlabel("energy per sample, µJ", fontsize="x-small")
        axes.tick_params(labelsize="x-small")
    return figure


def pareto(source: Source, convention: str | None = None) -> Any:
    """Loss against energy and against latency of all points, with the Pareto front as a line.

    Args:
        source: the folder of a sweep, or a conversion with --budget.
        convention: name of an energy convention, or "latency" alone; None for ``USUAL`` where it was counted.

    Raises:
        DeployError: the source holds no converted points, or the convention was not counted.
    """
    shown = opened(source)
    search = shown.search
    if search is None:
        raise absent(shown, "points to choose between", "give the folder of `deploy sweep`, or convert with --budget")
    done = [point for point in search.points if isinstance(point, Measured)]
    if not done:
        raise absent(shown, "point that was converted", "look at its table for why")
    name = convention or (USUAL if USUAL in done[0].energy else next(iter(done[0].energy), LATENCY))
    if name != LATENCY and name not in done[0].energy:
        raise DeployError(f"--convention {name}: not counted; known are {', '.join(done[0].energy)}")
    quality = quality_of(done) or QUALITIES[-1]
    costs = list(dict.fromkeys((name, LATENCY)))
    figure, panels = grid(len(costs), 4.0, 3.0, f"{quality.lost} against cost, {done[0].samples:,} samples")
    windows = sorted({point.timesteps for point in done})
    for cost, axes in zip(costs, panels, strict=True):
        for number, steps in enumerate(windows):
            of = [point for point in done if point.timesteps == steps]
            axes.plot([point.cost(cost) for point in of], [quality.loss(point) for point in of], "o",
                      color=COLOURS[number % len(COLOURS)], label=f"T = {steps}")  # fmt: skip
        points = [search.points[number] for number in search.fronts.get(cost, ())]
        front = [(p.cost(cost), quality.loss(p)) for p in points if isinstance(p, Measured)]
        axes.plot([x for x, _ in front], [y for _, y in front], color=COLOURS[5], label=FRONT, zorder=0)
        if isinstance(search, BudgetSearch):
            axes.axhline(search.largest_loss, linestyle="--", linewidth=0.8, color=COLOURS[5], label="limit")
            best = search.points[search.chosen]
            assert isinstance(best, Measured)
            axes.plot(
                best.cost(cost), quality.loss(best), "o", markersize=12, fillstyle="none", color="black", label="chosen"
            )
        title = "" if cost == LATENCY else f", µJ ({done[0].energy[cost].title})"
        axes.set_xlabel("latency, time steps" if cost == LATENCY else f"energy per sample{title}", fontsize="small")
        axes.set_ylabel(quality.lost, fontsize="small")
        axes.grid(alpha=0.3)
    panels[0].legend(fontsize="x-small")
    return figure
