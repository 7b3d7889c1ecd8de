"""The sources of figures, and the canvases that they are drawn on."""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

from deploy.conversion import Conversion
from deploy.errors import DeployError
from deploy.options.sweep import RESULT
from deploy.report import Figures, read_figures
from deploy.schema import Report, Search, Sweep, loads, read_report

Source: TypeAlias = "str | Path | Conversion"
"""A conversion, its folder, or for ``pareto`` the folder of a sweep."""

COLOURS = ("#0b6bcb", "#d9822b", "#2a9d8f", "#b05cc6", "#c23a5a", "#6b7785", "#b89a3e", "#4fb0d8", "#a3705a")
"""Colours of series and energy terms, in order; the same as on the page."""
KINDS = {"code": 0, "softmax": 1, "normalisation": 2, "activation": 3, "readout": 4, "residual": 5}
"""Index in ``COLOURS`` of a stage, by the first word of its role."""
PANELS = 24
"""Largest number of panels in a figure unless a pattern of layers is given: what fits on a page of a paper."""


@dataclass(frozen=True)
class Shown:
    """An opened source: a conversion, or a sweep, whose ``report`` is None; ``where``: its name in error messages."""

    where: str
    report: Report | None
    figures: Figures
    search: Search | None

    @property
    def known(self) -> Report:
        """The report; raises DeployError if the source is a sweep."""
        if self.report is None:
            raise DeployError(
                f"{self.where}: is a sweep, which has the figure `pareto` alone; give a conversion's folder"
            )
        return self.report


def opened(source: Source) -> Shown:
    """Read the report, figures and points that ``source`` holds.

    Raises:
        DeployError: it is neither a conversion nor a sweep.
    """
    if isinstance(source, Conversion):
        return Shown(source.report.model, source.report, source.figures, source.report.budget)
    folder = Path(source)
    if (folder / RESULT).is_file():
        content = loads(Sweep, (folder / RESULT).read_bytes(), folder / RESULT)
        return Shown(str(folder), None, Figures(), content)
    report = read_report(folder)
    return Shown(str(folder), report, read_figures(folder), report.budget)


def absent(shown: Shown, what: str, remedy: str) -> DeployError:
    """The error for a figure whose numbers the source lacks."""
    return DeployError(f"{shown.where}: has no {what}; {remedy}")


def canvas(rows: int, columns: int, width: float, height: float, title: str) -> tuple[Any, Any]:
    """A matplotlib Figure of ``width`` x ``height`` inches with a title, and its axes as an array (rows, columns).

    Raises:
        DeployError: matplotlib is not installed.
    """
    try:
        figure = importlib.import_module("matplotlib.figure").Figure(
            figsize=(width, height), layout="constrained", dpi=200
        )
    except ImportError as error:
        raise DeployError("figures need matplotlib; install it: pip install 'spikedeploy[plots]'") from error
    figure.suptitle(title, fontsize="medium")
    return figure, figure.subplots(rows, columns, squeeze=False)


def grid(number: int, width: float, height: float, title: str) -> tuple[Any, list[Any]]:
    """A Figure of ``number`` panels of ``width`` x ``height`` inches, at most four in a row, and the panels' axes."""
    columns = min(4, number)
    rows = -(-number // columns)
    figure, axes = canvas(rows, columns, max(4.0, columns * width), rows * height + 0.4, title)
    found = list(axes.flat)
    for empty in found[number:]:
        empty.set_axis_off()
    return figure, found[:number]


def chosen_layers(names: list[str], pattern: str | None, where: str) -> list[str]:
    """The layers whose names match the shell pattern ``pattern``; for None up to ``PANELS`` evenly spaced ones.

    Raises:
        DeployError: no layer matches.
    """
    import fnmatch

    if pattern is not None:
        found = [name for name in names if fnmatch.fnmatchcase(name, pattern)]
        if not found:
            raise DeployError(f"--layers {pattern}: matches none of {where}; it has {', '.join(names[:5])}, ...")
        return found
    if len(names) <= PANELS:
        return names
    return [names[round(n * (len(names) - 1) / (PANELS - 1))] for n in range(PANELS)]
