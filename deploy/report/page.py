"""report.html: a self-contained page, readable in light and dark colour schemes and on narrow screens."""

from __future__ import annotations

import re

import jinja2

from deploy.arrays import GIVEN
from deploy.energy import USUAL
from deploy.energy.tables import cheaper, number
from deploy.options.command import command
from deploy.overlap import sentence
from deploy.report import data, drawings
from deploy.report.energy import energy_bars, formula_bars
from deploy.report.figures import Figures
from deploy.report.headline import answers, count, diagnostics, percent, sig, verdict
from deploy.report.placement import placements
from deploy.report.points import curves
from deploy.report.rungs import rungs
from deploy.report.wording import below, breakable, typed, unbroken
from deploy.schema import Report
from deploy.shares import share_of
from processes.operations import OPERATIONS
from processes.words import meaning


def environment() -> jinja2.Environment:
    """Jinja environment of this folder's templates, with the filters that format numbers and text."""
    found = jinja2.Environment(
        loader=jinja2.PackageLoader("deploy.report", "."),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
    )
    found.filters |= {
        "percent": percent, "share": share_of, "count": count, "sig": sig, "short": drawings.short, "number": number,
        "cheaper": cheaper, "breakable": breakable, "typed": typed, "below": below, "unbroken": unbroken,
    }  # fmt: skip
    found.globals["usual"] = USUAL
    return found


def render(report: Report, figures: Figures) -> str:
    """HTML of a conversion's page."""
    period, layers = report.latency_steps, report.layers
    return with_contents(
        environment()
        .get_template("page.html")
        .render(
            report=report,
            verdict=verdict(report),
            command=_again(report),
            answers=answers(report),
            diagnostics=diagnostics(report),
            stepped=any(layer.stepped_saturations is not None for layer in layers),
            compared=list(dict.fromkeys(rung for layer in layers for rung in layer.errors)),
            operations=[
                (op.name, meaning.of_class(op)) for op in OPERATIONS if op.name in {layer.op for layer in layers}
            ],
            panels=drawings.panels(figures.scatter),
            errors={layer.name: layer.error for layer in layers},
            rasters=drawings.rasters(figures.raster),
            bars=drawings.bars(figures.stages, period),
            waits=drawings.waits(figures.stages),
            stages=figures.stages,
            rungs=rungs(report.ladder),
            csv=data,
            ticks=drawings.ticks(period),
            starts=drawings.starts(report.overlap[-1].interval, period) if report.overlap else [],
            sentence=sentence,
            curve=drawings.curve(report.si_softmax),
            attention=drawings.attention(figures.attention),
            picture=None if figures.sample is None else drawings.picture(figures.sample),
            costs=energy_bars(report.energy) + formula_bars(report.flops_formula),
            placements=placements(report.placement),
            sweep=None if report.budget is None else curves(report.budget),
            d=drawings,
        )
    )


def _again(report: Report) -> str | None:
    """The command line that repeats the conversion; None if its model was given as an object."""
    if report.command is not None or report.options is None or report.options.model.startswith(GIVEN):
        return report.command
    return command(report.options)


def with_contents(page: str) -> str:
    """Number the page's sections, and put links to them in place of the template's ``<!--contents-->``."""
    headings: list[str] = []

    def numbered(match: re.Match[str]) -> str:
        headings.append(match[1])
        return f'<h2 id="s{len(headings)}">{match[1]}</h2>'

    page = re.sub("<h2>(.*?)</h2>", numbered, page)
    links = "".join(f'<li><a href="#s{number}">{text}</a></li>' for number, text in enumerate(headings, 1))
    return page.replace("<!--contents-->", f'<nav aria-label="Contents"><ul>{links}</ul></nav>', 1)
