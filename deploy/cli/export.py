"""`deploy export`: writes a converted network as files for other simulators, for C and for chips."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from deploy.cli.answer import answered
from deploy.cli.app import app
from deploy.cli.early import check_nir
from deploy.errors import DeployError
from deploy.options import check_choice, check_positive
from deploy.options.choices import DIALECTS
from deploy.options.declare import MODEL_ANEW, TRUST
from deploy.output import check_free, require_conversion

FOLDERS = ("c", "loihi2")  # forms of a converted network that are not NIR
CHIPS = ("speck", "xylo", "akida", "spinnaker2")


@app.command()
def export(
    folder: Annotated[
        Path, typer.Argument(help="A folder that convert wrote, or for other chips a standard .nir file.")
    ],
    out: Annotated[Path, typer.Option("--out", "-o", help="File to write; with --segments, c or a chip a folder.")],
    format: Annotated[
        str,
        typer.Option(
            help=f"nir; c: a C99 program; loihi2: a folder for a lab with the chip; of a .nir file, {', '.join(CHIPS)}."
        ),
    ] = "nir",
    plain: Annotated[
        bool,
        typer.Option("--plain", help="Standard nodes only (LIF, Affine, Conv2d), for ReLU networks; with input data."),
    ] = False,
    segments: Annotated[
        bool, typer.Option("--segments", help="The plain parts of any network, each in a file, and a manifest.")
    ] = False,
    dialect: Annotated[
        str, typer.Option(help="Conventions of plain graphs: snntorch, norse, sinabs or spikingjelly.")
    ] = "snntorch",
    samples: Annotated[
        int, typer.Option(help="Evaluation samples in the data beside a plain graph, or for a C program to check.")
    ] = 10,
    data: Annotated[
        Path | None, typer.Option("--input", help="Spikes that go with a standard graph for a chip, as for run.")
    ] = None,
    dt: Annotated[float | None, typer.Option(help="Time step of a standard graph, as for run.")] = None,
    reset: Annotated[str | None, typer.Option(help="Reset of a standard graph, as for run.")] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace what is there.")] = False,
    trust: Annotated[bool, typer.Option("--trust", help=TRUST)] = False,
    model: Annotated[str | None, typer.Option("--model", help=MODEL_ANEW)] = None,
) -> None:
    """Writes a converted network as NIR for other simulators, as a C99 program, or as a bundle for Loihi 2.

    The program needs a C compiler and nothing else: fixed-width integers, no heap, no floating point; `make check` in it steps
    the network through samples and compares every spike time and potential.

    The bundle holds integers, schedule, placement, an integer program for every kind of neuron, and a sample with every spike
    that it causes; `python run.py` in it steps the programs with numpy alone and compares.

    [bold]Examples[/bold]

    deploy export out/demo -o demo.nir

    deploy export out/mlp --plain --dialect norse -o mlp.nir

    deploy export out/demo --segments -o demo-segments

    deploy export out/demo --format c -o out/demo-c

    deploy export out/demo --format loihi2 -o out/demo-loihi2

    deploy export net.nir --format spinnaker2 --input spikes.npz --dt 1e-3 -o net-spinnaker2
    """
    check_choice("--format", format, ("nir", *FOLDERS, *CHIPS))
    if plain and segments:
        raise DeployError("--plain and --segments: one graph or several; choose one")
    if format != "nir" and (plain or segments):
        raise DeployError(f"--format {format}: --plain and --segments are forms of NIR; leave them out")
    if format in CHIPS:
        _for_chip(folder, data, format, out, dt, reset, force)
        return
    for option, given in (("--input", data), ("--dt", dt), ("--reset", reset)):
        if given is not None:
            chips = ", ".join(CHIPS)
            raise DeployError(
                f"{option} goes with a standard graph for a chip ({chips}); give --format, or leave it out"
            )
    check_positive("--samples", samples)
    check_choice("--dialect", dialect, DIALECTS)
    require_conversion(folder)
    check_free(out, force)
    from deploy.export import export as write
    from deploy.origin import Trust

    form = format if format in FOLDERS else "plain" if plain else "segments" if segments else "whole"
    written = write(folder, out, form, dialect, samples, force, Trust(trust, model))
    if not answered(written):
        print(f"{written.note}; written to {', '.join(map(str, written.files[:3]))}")


def _for_chip(
    file: Path, data: Path | None, chip: str, out: Path, dt: float | None, reset: str | None, force: bool
) -> None:
    if not file.is_file():
        raise DeployError(f"--format {chip} takes a standard NIR graph, FILE.nir; {file} is none")
    check_nir(file)
    from deploy.nir_files import GraphOptions, write_chip_files

    write_chip_files(file, data, chip, out, GraphOptions(dt=dt, reset=reset), force)
    if not answered({"files": [out], "note": "where the SDK is: python run.py network.npz found.npz"}):
        print(
            f"written to {out}; where the SDK is: python run.py network.npz found.npz, to be compared with expected.npz"
        )
