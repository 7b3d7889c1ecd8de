"""Saves a figure as .svg, .pdf or .png, or the numbers behind it as .csv."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from pathlib import Path
from typing import Any

from deploy.errors import DeployError
from deploy.options.choices import check_figure
from deploy.plot.activity import attention, raster, timeline
from deploy.plot.costs import cost_charts, energy, pareto
from deploy.plot.quality import ladder, scatter
from deploy.plot.source import Shown, Source, opened
from deploy.report import data
from processes.files import atomic_write, write_text

FIGURES: dict[str, Callable[..., Any]] = {
    "ladder": ladder, "scatter": scatter, "raster": raster, "energy": energy, "pareto": pareto, "attention": attention,
    "timeline": timeline,
}  # fmt: skip
NUMBERS = "csv"


def _numbers(shown: Shown, figure: str) -> str:
    """The numbers behind a figure as CSV text."""
    if figure == "pareto":
        return "" if shown.search is None else data.pareto(shown.search)
    report, figures = shown.known, shown.figures
    tables: dict[str, Callable[[], str]] = {
        "ladder": lambda: data.ladder(report.ladder),
        "scatter": lambda: data.scatter(figures.scatter),
        "raster": lambda: data.raster(figures.raster),
        "energy": lambda: data.energy([chart.convention for chart in cost_charts(report)]),
        "attention": lambda: data.attention(figures.attention),
        "timeline": lambda: data.timeline(figures.stages),
    }
    return tables[figure]()


def save(
    source: Source, figure: str, out: Path | str, layers: str | None = None, convention: str | None = None
) -> None:
    """Draw a figure and write it to a file.

    Args:
        source: a conversion, its folder, or for ``pareto`` the folder of a sweep.
        figure: a name of ``FIGURES``.
        out: a path that ends in .svg, .pdf or .png; .csv for the numbers of all layers, whatever ``layers`` says.
        layers: a shell pattern of layer names, for figures with a panel for each layer.
        convention: name of an energy convention, for ``pareto``.

    Raises:
        DeployError: the figure or the file's ending is unknown, the figure does not take an option, the source lacks
            its numbers, or the file cannot be written.
    """
    out = Path(out)
    kind = check_figure(figure, out)
    draw = FIGURES[figure]
    given = {name: value for name, value in (("layers", layers), ("convention", convention)) if value is not None}
    for name in given.keys() - inspect.signature(draw).parameters.keys():
        takers = [known for known, one in FIGURES.items() if name in inspect.signature(one).parameters]
        raise DeployError(f"--{name}: not for --figure {figure}, but for {', '.join(takers)}; leave it out")
    shown = opened(source)
    try:
        if kind == NUMBERS:
            text = _numbers(shown, figure)
            if text.count("\n") < 2:
                draw(source, **given)  # raises an error that says what is missing
            write_text(out, text)
            return
        drawn = draw(source, **given)
        with atomic_write(out) as file:
            drawn.savefig(file, format=kind, **({} if kind == "png" else {"metadata": _undated(kind)}))
    except OSError as error:
        raise DeployError(f"-o {out}: cannot be written ({error.strerror}); choose another file") from error


def _undated(kind: str) -> dict[str, None]:
    """Metadata without a date, so that the same figure gives the same file."""
    return {"Date": None} if kind == "svg" else {"CreationDate": None}
