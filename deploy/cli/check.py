"""`deploy check`: inspects a NIR file or a model before anything runs."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from deploy.cli.answer import answered
from deploy.cli.app import FAILED, app
from deploy.cli.early import check_nir
from deploy.errors import DeployError
from deploy.sources.named import check_model as check_spec
from deploy.sources.named import check_weights
from deploy.terminal import Terminal


@app.command()
def check(
    file: Annotated[str, typer.Argument(metavar="FILE|MODEL", help="A NIR file, or a model as for convert.")],
    repair: Annotated[bool, typer.Option("--repair", help="Write the file with every repair, to -o.")] = False,
    out: Annotated[Path | None, typer.Option("--out", "-o", help="With --repair: the file to write.")] = None,
    dt: Annotated[
        float | None, typer.Option(help="Time step, as for run. \\[default: what its numbers suggest]")
    ] = None,
    weights: Annotated[str | None, typer.Option(help="Of a model, as for convert; `random` needs none.")] = None,
    shape: Annotated[str | None, typer.Option(help="Of a model's sample, where it does not say: 3,32,32.")] = None,
) -> None:
    """Looks over a NIR file, or a model before its conversion, on no data.

    Of a file: what it holds, what does not fit, what can be repaired, which simulators and chips run it. Of a model: what every
    operation becomes or why it is refused, what stays on the host, neurons, synapses, time steps. Ends with exit code 1 if the
    file does not run here, or the model does not convert.

    [bold]Examples[/bold]

    deploy check net.nir

    deploy check net.nir --repair -o fixed.nir

    deploy check timm:vit_tiny_patch16_224 --weights random
    """
    if repair != (out is not None):
        raise DeployError("--repair and -o: give both, as `deploy check net.nir --repair -o fixed.nir`")
    if Path(file).suffix == ".nir" or Path(file).is_file():
        _file(Path(file), out, dt)
    else:
        _model(file, weights, shape)


def _file(file: Path, out: Path | None, dt: float | None) -> None:
    if not file.is_file():
        raise DeployError(
            f"{file}: no such file; give a .nir file, or a model as for convert: timm:NAME, hf:NAME_OR_DIR"
        )
    check_nir(file)
    from deploy.check_tables import checkup_content, checkup_shown
    from deploy.nir_check import check as look_over
    from deploy.nir_check import write_repaired

    found = look_over(file, dt)
    if out is not None:
        write_repaired(found, out)
    if not answered(checkup_content(found)):
        _print([*checkup_shown(found), *([] if out is None else [f"Repaired file written to {out}"])])
    if out is not None:
        return
    if not found.runs:
        raise typer.Exit(FAILED)


def _model(spec: str, weights: str | None, shape: str | None) -> None:
    numbers = "give whole numbers above 0 with commas between them, as 3,32,32"
    try:
        sizes = None if shape is None else tuple(int(size) for size in shape.split(","))
    except ValueError as error:
        raise DeployError(f"--shape {shape}: {numbers}") from error
    if sizes is not None and min(sizes) < 1:
        raise DeployError(f"--shape {shape}: {numbers}")
    check_spec(spec)
    check_weights(weights)
    from deploy.check_tables import model_content, model_shown
    from deploy.model_check import check_model

    found = check_model(spec, weights, sizes)
    if not answered(model_content(found)):
        _print(model_shown(found))
    if found.refusals:
        raise typer.Exit(FAILED)


def _print(shown: Sequence[Any]) -> None:
    console = Terminal()
    for part in shown:
        console.print(part, soft_wrap=isinstance(part, str), markup=False)
