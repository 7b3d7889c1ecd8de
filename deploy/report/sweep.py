"""sweep.html: the curves of a sweep, its Pareto fronts and a table of its points, in one file."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from deploy.report.page import environment
from deploy.report.points import curves


def write_page(path: Path, content: Mapping[str, Any]) -> None:
    """Write the page of a sweep.json."""
    page = environment().get_template("sweep.html").render(content=content, sweep=curves(content))
    part = path.with_suffix(".part")
    part.write_text(page, encoding="utf-8")
    part.replace(path)
