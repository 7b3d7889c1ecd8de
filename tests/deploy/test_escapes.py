"""Text of reports that somebody else made is text on a page and in a terminal, whatever it looks like."""

from __future__ import annotations

import functools
import io
import json
import re
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from markupsafe import escape
from pydantic import ValidationError

from deploy import console
from deploy.compare import comparison, table, write_page
from deploy.console import sweep_table
from deploy.energy.tables import energy_tables
from deploy.measure import AttentionMap, RasterLayer, Stage
from deploy.options import ConvertOptions
from deploy.report.figures import Figures
from deploy.report.page import render
from deploy.report.sweep import write_page as write_sweep
from deploy.results import RunResult, TargetStatus
from deploy.schema import Failed, Joules, Report, Search, Sweep, loads
from deploy.schema.files import adapter
from deploy.terminal import Terminal
from tests.deploy.reports import conversion, point

REPORTS = Path(__file__).parents[1] / "golden" / "reports"
HOSTILE = "</script></title><img src=x onerror=alert(1)>'\" onload='alert(2)' [/bold]"
"""Ends a script, a title, an attribute in either quotes, and a terminal's markup."""
Place = tuple[Any, ...]


class Tags(HTMLParser):
    """Whether a page has an element or attribute that only HOSTILE could have brought."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.foreign: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        names = [name for name, _ in attrs]
        if tag == "img" or "onerror" in names or "onload" in names:
            self.foreign.append(f"{tag} {names}")


MAPPINGS = ("energy", "events", "versions")
NEEDED = {"op", "placement"}
"""Fields whose texts are names that this package knows, and looks things up by."""


def hostile_report(name: str) -> tuple[Report, int]:
    """A report in which every text and every key that the schema leaves open is HOSTILE and a number of its own; how many."""
    content = json.loads((REPORTS / name).read_text())
    number = 0

    def candidates(node: Any, place: Place) -> Iterator[Place]:
        for key, value in node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ():
            if key not in NEEDED:
                yield (*place, key)
                yield from candidates(value, (*place, key))

    for place in reversed(list(candidates(content, ()))):  # inner ones first, as keys above them change
        holder = functools.reduce(lambda node, key: node[key], place[:-1], content)
        before, marked = dict(holder) if isinstance(holder, dict) else list(holder), f"{HOSTILE}{number}."
        if isinstance(holder[place[-1]], str):
            holder[place[-1]] += marked
            number += 1
        elif isinstance(holder, dict) and place[0] in MAPPINGS and len(place) == 2:
            holder[f"{place[-1]}{marked}"] = holder.pop(place[-1])
            number += 1
        else:
            continue
        try:
            adapter(Report).validate_json(json.dumps(content))
        except ValidationError:
            holder.clear()
            holder.update(before) if isinstance(holder, dict) else holder.extend(before)
    return loads(Report, json.dumps(content), name), number


def figures() -> Figures:
    """Drawings whose names are all HOSTILE."""
    one = np.ones((1, 2, 2))
    return Figures(
        {HOSTILE: (np.ones(3), np.ones(3))},
        [RasterLayer(HOSTILE, 4, 4, 1, 8, *(np.arange(2),) * 3)],
        [Stage(HOSTILE, HOSTILE, HOSTILE, 0, 1, 4, 3)],
        [AttentionMap(HOSTILE, 1, one[0] / 2, one[0] / 2, 0.5, False, (HOSTILE, "b"))],
        None,
    )


@pytest.fixture(scope="module", params=["sit.json", "budget.json"])
def hostile(request: pytest.FixtureRequest) -> Report:
    found, fields = hostile_report(request.param)
    assert fields > 100
    return found


def markers(shown: str, opening: str) -> int:
    """How many different fields can be seen, each by its own number."""
    return len(set(re.findall(rf"{re.escape(opening)}(\d+)\.", shown)))


def test_every_field_of_a_report_is_text_on_its_page(hostile: Report) -> None:
    page = render(hostile, figures())
    assert HOSTILE not in page and not Tags(page).foreign
    assert markers(page, str(escape(HOSTILE))) > 50  # so that they do reach the page


def test_every_field_of_a_report_is_text_in_a_terminal(hostile: Report) -> None:
    said = printed(console.summary(hostile), console.codes_table(hostile.codes), *energy_tables(hostile, True))
    if hostile.budget is not None:
        said += printed(sweep_table(hostile.budget), console.budget_note(hostile.budget))
    assert said.count("onerror") == said.count("[/bold]") > 3


def printed(*shown: Any) -> str:
    """What a terminal wide enough shows."""
    target = Terminal(width=4000, file=io.StringIO())
    for part in shown:
        target.print(part)
    return target.file.getvalue()  # type: ignore[attr-defined]


def test_comparisons_and_sweeps(tmp_path: Path) -> None:
    folders = [conversion(tmp_path / name, model=HOSTILE, method=HOSTILE) for name in ("a", "b <img src=x>[bold]")]
    found = comparison(folders)
    write_page(found, tmp_path / "compare.html")
    setting: dict[str, Any] = dict(timesteps=8, base=1.5, method=HOSTILE, precision=HOSTILE, spikes=1)
    energy = {HOSTILE: Joules(title=HOSTILE, snn=1.0, fp32=2.0, int8=3.0)}
    known = dict.fromkeys(
        ("accuracy", "ann_accuracy", "agreement", "output_cosine", "relative_error", "spikes_per_neuron"), 0.5
    )
    points = (point(8, energy=energy, method=HOSTILE, **known), Failed(**setting, failed=HOSTILE))
    search = Search(points=points, fronts={HOSTILE: (0,), "latency": (0,)})
    write_sweep(
        tmp_path / "sweep.html", Sweep(points=points, fronts=search.fronts, options=ConvertOptions(model=HOSTILE))
    )
    for name in ("compare.html", "sweep.html"):
        page = (tmp_path / name).read_text()
        assert HOSTILE not in page and not Tags(page).foreign and "&lt;img src=x" in page
    assert "[/bold]" in printed(table(found)) and "[/bold]" in printed(sweep_table(search))


def test_names_of_classes_and_targets() -> None:
    names = (HOSTILE, "b")
    result = RunResult(np.eye(2, dtype=np.float32), np.array([0, 1]), names, 1.0, 1.0, measured={HOSTILE: HOSTILE})
    said = printed(console.outputs_table(result), console.measured_table(result.measured))
    assert said.count("[/bold]") >= 3
    assert "[/bold]" in printed(console.targets_table([TargetStatus(HOSTILE, HOSTILE, HOSTILE)]))


def test_a_page_that_does_not_escape_is_seen() -> None:
    assert Tags(f"<p>{HOSTILE}</p>").foreign and not Tags("<p>&lt;img onerror=x&gt;</p>").foreign
