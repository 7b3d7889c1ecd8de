"""Names that options choose among, where the code behind them takes seconds to import; a test compares both."""

from __future__ import annotations

from pathlib import Path

from deploy.errors import DeployError
from deploy.options.checks import check_choice

CHIPS = ("loihi1", "loihi2")
"""Of `deploy place --chip`: tables of :mod:`targets.placement.chip`."""
DIALECTS = ("snntorch", "norse", "spikingjelly", "sinabs")
"""Of `deploy export --dialect`: :mod:`targets.nir_graph.dialects`."""
FIGURES = ("ladder", "scatter", "raster", "energy", "pareto", "attention", "timeline")
"""Of `deploy plot --figure`: :mod:`deploy.plot.saved`."""
DRAWN = ("svg", "pdf", "png", "csv")
"""Of `deploy plot -o`: endings of files."""
FUNCTIONS = ("exp", "gelu", "silu", "sigmoid", "rsqrt")
"""Of `deploy fit --function`: :mod:`processes.si_exp.table`."""


def check_figure(figure: str, out: Path) -> str:
    """The kind of file that ``out`` names; raises DeployError for an unknown figure or kind."""
    check_choice("--figure", figure, FIGURES)
    kind = out.suffix.lstrip(".").lower()
    if kind not in DRAWN:
        raise DeployError(f"-o {out}: ends in none of .{', .'.join(DRAWN)}; choose one")
    return kind


def check_fit(function: str, steps: int, low: float, high: float) -> None:
    """Raises DeployError for what no table can be fitted to."""
    check_choice("--function", function, FUNCTIONS)
    if steps < 2 or not low < high:  # also refuses NaN
        raise DeployError(f"--timesteps {steps}, --range {low:g} {high:g}: give 2 steps or more and LOW below HIGH")
    if steps > 64:
        raise DeployError(f"--timesteps {steps}: tables have at most 64 steps; 12 suits most")
