"""`deploy plot`: figures for papers."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from deploy.cli.answer import answered
from deploy.cli.app import app
from deploy.options.choices import check_figure
from deploy.options.sweep import RESULT
from deploy.output import require_conversion


@app.command()
def plot(
    folder: Annotated[Path, typer.Argument(help="A folder that convert wrote; for pareto also that of a sweep.")],
    figure: Annotated[
        str,
        typer.Option(help="What to draw.", metavar="ladder|scatter|raster|energy|pareto|attention|timeline"),
    ],
    out: Annotated[
        Path, typer.Option("--out", "-o", help="File to write: .svg, .pdf or .png, or .csv for the numbers behind it.")
    ],
    layers: Annotated[
        str | None, typer.Option(help="Of scatter, raster, attention: layers whose names match, as 'blocks.0.*'.")
    ] = None,
    convention: Annotated[str | None, typer.Option(help="Of pareto: the convention of energy.")] = None,
) -> None:
    """Draws what a conversion's page shows as a figure for papers, or writes its numbers.

    It needs matplotlib: pip install 'spikedeploy\\[plots]'.

    [bold]Examples[/bold]

    deploy plot out/demo --figure energy -o energy.svg

    deploy plot out/demo --figure raster --layers 'blocks.0.*' -o raster.pdf

    deploy plot out/sweep --figure pareto -o pareto.png
    """
    check_figure(figure, out)
    if not (folder / RESULT).is_file():  # a folder with this file is a sweep's
        require_conversion(folder)
    from deploy.plot import save

    save(folder, figure, out, layers, convention)
    if not answered({"figure": figure, "file": out}):
        print(f"Written to {out}")
