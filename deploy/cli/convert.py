"""`deploy convert`: the main command."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from deploy.cli.answer import answered
from deploy.cli.app import app
from deploy.cli.declared import takes
from deploy.cli.early import check_conversion
from deploy.errors import DeployError
from deploy.options import ConvertOptions
from deploy.options.config import read
from deploy.options.declare import RUNS
from deploy.output import PAGE
from deploy.progress import BarProgress
from deploy.terminal import Terminal


def _from_file(context: typer.Context, config: Path | None) -> Path | None:
    """Callback of --config: the file's options become the command's defaults."""
    if config is not None:
        context.default_map = read(config, ConvertOptions)
    return config


def _untrusted(context: typer.Context, model: str) -> bool:
    """Whether a Python file is the model because the --config file names it, not the command line."""
    named = (context.default_map or {}).get("model")
    return named is not None and named == model and ".py:" in model and not _typed(context, "model")


def _typed(context: typer.Context, option: str) -> bool:
    source = context.get_parameter_source(option)
    return source is not None and source.name == "COMMANDLINE"


@app.command(no_args_is_help=False)
@takes(ConvertOptions)
def convert(
    options: ConvertOptions,
    context: typer.Context,
    config: Annotated[
        Path | None,
        typer.Option(
            help="YAML file of options, as every conversion leaves one (run.yaml); the command line goes before it.",
            is_eager=True,
            callback=_from_file,
            rich_help_panel=RUNS,
        ),
    ] = None,
    explain: Annotated[
        bool,
        typer.Option(
            "--explain", help="Also show how each layer is coded, and what choosing it gained.", rich_help_panel=RUNS
        ),
    ] = False,
    trust: Annotated[
        bool,
        typer.Option(
            "--trust",
            help="Import the Python file that --config names as the model, which runs its code.",
            rich_help_panel=RUNS,
        ),
    ] = False,
    rehearse: Annotated[
        bool,
        typer.Option(
            "--dry-run",
            help="Say what would be done, with what data, and what it becomes and takes; convert nothing.",
            rich_help_panel=RUNS,
        ),
    ] = False,
) -> None:
    r"""Converts a trained transformer to a spiking network, runs it and writes a report.

    Without options it converts the bundled demo, a vision transformer for Fashion-MNIST.

    [bold]Examples[/bold]

    deploy convert --target lava-sim -o out/demo

    deploy convert --model timm:vit_tiny_patch16_224 --calib images/train --eval images/val -o out/vit

    deploy convert --model hf:./my-bert --calib train.csv --eval dev.csv --timesteps 40 -o out/bert

    deploy convert --model nets.py:build --weights net.pt --calib calib.npz --target closed-form -o out/net

    deploy convert --model hf:./my-vit --calib calib.npz --eval test.npz --budget 0.5 --cheapest latency -o out/vit

    [bold]--budget[/bold] tries windows of 8 to 40 steps with 1, auto and 2 spikes (--method sit: 8 to 16 steps, rate-coded:
    16 to 256), sets scales on one half of the calibration data and judges on the other: by what the predictions that change
    cost, as likely as the original takes each class to be. That needs no labels. What is chosen is then converted with all
    calibration data. Evaluation data takes no part in the choice.

    [bold]Data[/bold] is an .npz file whose arrays are named as the model's forward arguments (x for a single one,
    labels in y), an image folder with one subfolder per class, or a .tsv/.csv/.jsonl with text and label columns.
    Images are raw pixels in \[0, 1] or uint8: the model normalises them itself.
    """
    from targets import registry

    options.check(registry())  # before anything that takes seconds to import
    if not trust and _untrusted(context, options.model):
        raise DeployError(
            f"--config {config}: names the Python file {options.model} as its model, and loading it would run its code; "
            f"look at it, then give --trust, or name it yourself: --model {options.model}"
        )
    check_conversion(options)
    if rehearse:
        _rehearse(options)
        return
    progress = BarProgress()
    with progress.stage("start"):
        from deploy import api
        from deploy.console import budget_note, cautions_shown, codes_table, corrections, summary, sweep_table
        from deploy.schema import dumps

    report = api.convert_files(options, progress).report
    if answered(dumps(report)):
        return
    console = Terminal()
    if report.budget is not None:
        console.print(sweep_table(report.budget), budget_note(report.budget), "", sep="\n")
    if explain and report.codes:
        console.print(codes_table(report.codes))
        console.print(corrections(report.corrected_biases))
    console.print(summary(report))
    console.print(f"Written to {options.folder()}; open {options.folder() / PAGE} in a browser.", soft_wrap=True)
    for line in cautions_shown(report.warnings):
        console.print(line, soft_wrap=True, markup=False)


def _rehearse(options: ConvertOptions) -> None:
    from deploy.check_tables import dry_run_content, dry_run_shown
    from deploy.dry_run import dry_run

    found = dry_run(options, BarProgress())
    if answered(dry_run_content(found)):
        return
    console = Terminal()
    for part in dry_run_shown(found):
        console.print(part, soft_wrap=isinstance(part, str), markup=False)
