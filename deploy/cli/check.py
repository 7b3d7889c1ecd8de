"""`deploy check`: what a file or a model is, and what would become of it, before anything runs."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from deploy.cli.app import FAILED, app
from deploy.errors import DeployError


@app.command()
def check(
    file: Annotated[Path, typer.Argument(help="A NIR file.")],
    repair: Annotated[bool, typer.Option("--repair", help="Write the file with every repair, to -o.")] = False,
    out: Annotated[Path | None, typer.Option("--out", "-o", help="With --repair: the file to write.")] = None,
    dt: Annotated[
        float | None, typer.Option(help="Time step, as for run. \\[default: what its numbers suggest]")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print it as JSON.")] = False,
) -> None:
    """Looks a NIR file over: what it holds, what does not fit, what can be repaired, which simulators and chips run it.

    Ends with exit code 1 if it does not run here as it is.

    [bold]Examples[/bold]

    deploy check net.nir

    deploy check net.nir --repair -o fixed.nir
    """
    if repair != (out is not None):
        raise DeployError("--repair and -o: give both, as `deploy check net.nir --repair -o fixed.nir`")
    from deploy.check_tables import checkup_content, checkup_shown
    from deploy.nir_check import check as look_over
    from deploy.nir_check import write_repaired

    found = look_over(file, dt)
    if as_json:
        print(json.dumps(checkup_content(found), indent=1))
    else:
        console = Console()
        for shown in checkup_shown(found):
            console.print(shown, soft_wrap=isinstance(shown, str), markup=False)
    if out is not None:
        write_repaired(found, out)
        if not as_json:
            print(f"Repaired file written to {out}")
    elif not found.runs:
        raise typer.Exit(FAILED)
