"""`deploy sweep` and `deploy fit`: commands that search over settings or tables."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from deploy.cli.answer import answered
from deploy.cli.app import FAILED, app
from deploy.cli.declared import takes
from deploy.cli.early import check_named
from deploy.errors import DeployError
from deploy.options import METHODS, PRECISIONS, ConvertOptions
from deploy.options.checks import check_seed
from deploy.options.choices import check_fit
from deploy.options.declare import RUNS, read_base, read_spikes
from deploy.options.sweep import SweepOptions
from deploy.progress import BarProgress
from deploy.terminal import Terminal


@app.command()
@takes(
    ConvertOptions,
    only=("model", "weights", "model_args", "image_size", "labels", "calib", "evaluation", "limit", "device"),
)
def sweep(
    shared: ConvertOptions,
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder for the results.")],
    timesteps: Annotated[str, typer.Option(help="T: one or more, as 8,16,24,32,40.")] = "8,16,24,32,40",
    base: Annotated[str, typer.Option(help="B: one or more, as 1.15,1.4,auto.")] = "auto",
    method: Annotated[str, typer.Option(help=f"One or more of {', '.join(METHODS)}.")] = ConvertOptions.method,
    precision: Annotated[str, typer.Option(help=f"One or more of {', '.join(PRECISIONS)}.")] = ConvertOptions.precision,
    spikes: Annotated[str, typer.Option(help="Most spikes of a neuron in a window: one or more, as 1,2,auto.")] = "1",
    tokens: Annotated[
        str, typer.Option(help="Lengths that text is cut to, or a language model's windows. \\[default: as it is]")
    ] = "",
    workers: Annotated[
        int | None,
        typer.Option(help="Worker processes. \\[default: one per core; 1 for a CUDA device]", rich_help_panel=RUNS),
    ] = None,
    force: Annotated[
        bool, typer.Option("--force", help="Replace a sweep in the folder.", rich_help_panel=RUNS)
    ] = False,
) -> None:
    """Converts with every combination of settings, runs each in closed form, and draws what it brings and costs.

    A sweep that was interrupted, or is given more settings, goes on with what the folder has.

    Example: deploy sweep --timesteps 8,16,24,32,40 --base 1.15,1.4,auto -o out/sweep
    """
    for option, text in (
        ("timesteps", timesteps), ("base", base), ("method", method), ("precision", precision), ("spikes", spikes),
    ):  # fmt: skip
        if not _listed(text):
            raise DeployError(f"--{option} {text!r}: names no setting; give one or more with commas between them")
    options = SweepOptions(
        shared, out, _whole("--timesteps", timesteps), [read_base(text) for text in _listed(base)], _listed(method),
        _listed(precision), [read_spikes(text) for text in _listed(spikes)], _whole("--tokens", tokens), workers, force,
    )  # fmt: skip
    options.check()  # before anything that takes seconds to import
    check_named(shared)
    from deploy.console import sweep_table
    from deploy.measure.recommend import recommended
    from deploy.schema import Failed, dumps
    from deploy.sweep import PAGE as SWEEP_PAGE
    from deploy.sweep import sweep as run_sweep

    content = run_sweep(options, BarProgress())
    if not answered(dumps(content)):
        console = Terminal()
        console.print(sweep_table(content))
        found = recommended(content.points)
        if found is not None:
            console.print(found[1], soft_wrap=True)
        console.print(f"Written to {out}; open {out / SWEEP_PAGE} in a browser.", soft_wrap=True)
    if any(isinstance(point, Failed) for point in content.points):
        raise typer.Exit(FAILED)


@app.command()
def fit(
    function: Annotated[str, typer.Option(help="exp, gelu, silu, sigmoid or rsqrt.")] = "exp",
    timesteps: Annotated[int, typer.Option(help="K, steps of the neuron.")] = 12,
    between: Annotated[tuple[float, float], typer.Option("--range", help="LOW HIGH of its input.")] = (-1.0, 1.0),
    seed: Annotated[int, typer.Option(help="Seed of the search.")] = 0,
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="Add the tables to this .json file, or replace them there.")
    ] = None,
) -> None:
    """Fits the tables of a spiking neuron (SI-exp and its family) to a function, and says how good they are.

    Example: deploy fit --function exp --timesteps 12 --range -1 1
    """
    check_seed(seed)
    check_fit(function, timesteps, *between)
    from deploy.fitting import fit_table, fitted_summary, save_table

    table = fit_table(function, timesteps, *between, seed, BarProgress())
    if out is not None:
        save_table(table, out)
    if answered({"table": table, "errors": table.errors()}):
        return
    console = Terminal()
    console.print(fitted_summary(table))
    if out is not None:
        console.print(f"Written to {out}", soft_wrap=True)


def _listed(text: str) -> list[str]:
    return [part.strip() for part in text.split(",") if part.strip()]


def _whole(option: str, text: str) -> list[int]:
    try:
        return [int(part) for part in _listed(text)]
    except ValueError as error:
        raise DeployError(f"{option} {text}: give whole numbers with commas between them, as 8,16,40") from error
