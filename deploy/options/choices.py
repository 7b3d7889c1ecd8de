"""Names that options choose among, apart from the code behind them, which is slow to import; a test compares both."""

from __future__ import annotations

from pathlib import Path

from deploy.errors import DeployError
from deploy.options.checks import check_choice

CHIPS = ("loihi1", "loihi2")
"""Values of `deploy place --chip`: the tables of :mod:`targets.placement.chip`."""
DIALECTS = ("snntorch", "norse", "spikingjelly", "sinabs")
"""Values of `deploy export --dialect` (:mod:`targets.nir_graph.dialects`)."""
FIGURES = ("ladder", "scatter", "raster", "energy", "pareto", "attention", "timeline")
"""Values of `deploy plot --figure` (:mod:`deploy.plot.saved`)."""
DRAWN = ("svg", "pdf", "png", "csv")
"""Endings of the file of `deploy plot -o`."""
FUNCTIONS = ("exp", "gelu", "silu", "sigmoid", "rsqrt")
"""Values of `deploy fit --function` (:mod:`processes.si_exp.table`)."""


def check_figure(figure: str, out: Path) -> str:
    """The ending of ``out`` without its dot, in lower case; raises DeployError for an unknown figure or ending."""
    check_choice("--figure", figure, FIGURES)
    kind = out.suffix.lstrip(".").lower()
    if kind not in DRAWN:
        raise DeployError(f"-o {out}: ends in none of .{', .'.join(DRAWN)}; choose one")
    return kind


def check_fit(function: str, steps: int, low: float, high: float) -> None:
    """Raise DeployError for an unknown function, a number of steps outside 2 to 64, or an empty range."""
    check_choice("--function", function, FUNCTIONS)
    if steps < 2 or not low < high:  # also refuses NaN
        raise DeployError(f"--timesteps {steps}, --range {low:g} {high:g}: give 2 steps or more and LOW below HIGH")
    if steps > 64:
        raise DeployError(f"--timesteps {steps}: tables have at most 64 steps; 12 suits most")
