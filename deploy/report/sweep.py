"""sweep.html: the curves of a sweep, its Pareto fronts and a table of its points, in one file."""

from __future__ import annotations

from pathlib import Path

from deploy.measure.recommend import recommended
from deploy.report.page import environment
from deploy.report.points import curves
from deploy.schema import Sweep
from processes.files import write_text


def write_page(path: Path, content: Sweep) -> None:
    """Write the HTML page of a sweep to ``path``."""
    found, drawn = recommended(content.points), curves(content)
    if found is not None:
        drawn |= {"chosen": content.points[found[0]], "chosen_as": "recommended"}
    page = (
        environment()
        .get_template("sweep.html")
        .render(content=content, sweep=drawn, recommended=None if found is None else found[1])
    )
    write_text(path, page)
