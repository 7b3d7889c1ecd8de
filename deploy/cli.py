"""The `deploy` command."""

from __future__ import annotations

import json
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from types import FrameType
from typing import Annotated, Any, Literal

import typer
from rich.console import Console
from typer.exceptions import Abort, TyperException

from deploy.errors import DeployError, UnsupportedGraph
from deploy.options import DEFAULTS, GRANULARITIES, METHODS, PRECISIONS, ConvertOptions, check_choice, check_positive
from deploy.output import PAGE, REPORT, require_conversion
from deploy.progress import BarProgress

FAILED, MISUSED, INTERRUPTED, TERMINATED = 1, 2, 130, 143
"""Exit codes: a check that did not hold; an error that the user can put right; Ctrl-C; SIGTERM."""

# Headings that group the options in the help.
MODELS = "Models and data"
CODE = "Spike code"
RUNS = "Runs"
NIR = "Standard NIR graphs"

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    help="Deploys trained transformers on neuromorphic hardware: converts them to spiking networks without "
    "retraining, runs them on a target and measures them.",
    epilog="First try: [bold]deploy convert --target lava-sim[/bold] converts a bundled vision transformer.",
)


def _version(asked: bool) -> None:
    if asked:
        from deploy import __version__

        print(__version__)
        raise typer.Exit


@app.callback()
def _common(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    pass


_CONVERT_HELP = """Converts a trained transformer to a spiking network, runs it and writes a report.

Without options it converts the bundled demo, a vision transformer for Fashion-MNIST.

[bold]Examples[/bold]

deploy convert --target lava-sim -o out/demo

deploy convert --model timm:vit_tiny_patch16_224 --calib images/train --eval images/val -o out/vit

deploy convert --model hf:./my-bert --calib train.tsv --eval dev.tsv --timesteps 40 -o out/bert

deploy convert --model nets.py:build --weights net.pt --calib calib.npz --target closed-form -o out/net

[bold]Data[/bold] is an .npz file whose arrays are named as the model's forward arguments (x for a single one,
labels in y), an image folder with one subfolder per class, or a .tsv/.csv/.jsonl with text and label columns.
Images are raw pixels in \\[0, 1] or uint8: the model normalises them itself.
"""


@app.command(help=_CONVERT_HELP, no_args_is_help=False)
def convert(
    model: Annotated[
        str,
        typer.Option(
            help="demo, timm:NAME, hf:NAME_OR_DIR, or path/file.py:callable that returns an nn.Module.",
            rich_help_panel=MODELS,
        ),
    ] = ConvertOptions.model,
    weights: Annotated[
        str | None,
        typer.Option(
            help="Weights file: .safetensors, or a PyTorch state dict. `random` initialises from --seed.",
            rich_help_panel=MODELS,
        ),
    ] = None,
    calib: Annotated[
        Path | None,
        typer.Option(help="Data that sets the scales; never the evaluation data.", rich_help_panel=MODELS),
    ] = None,
    evaluation: Annotated[
        Path | None,
        typer.Option(
            "--eval",
            help="Data that accuracy is measured on. Left out: a fifth of --calib, held back.",
            rich_help_panel=MODELS,
        ),
    ] = None,
    limit: Annotated[
        int | None, typer.Option(help="Evaluate at most so many samples.", rich_help_panel=MODELS)
    ] = None,
    method: Annotated[
        str,
        typer.Option(
            help=f"Conversion method: {', '.join(METHODS)}, which is a baseline for ReLU networks.", rich_help_panel=CODE
        ),
    ] = ConvertOptions.method,
    timesteps: Annotated[
        int | None,
        typer.Option(
            help="T, time steps of a window; more are finer and slower. \\[default: 40; sit 12, of 4 to 16]",
            rich_help_panel=CODE,
        ),
    ] = None,
    base: Annotated[
        str | None,
        typer.Option(
            help="B in (1, 2], ratio of neighbouring levels: 1.15 suits T = 40, 1.3 suits T = 16. `auto` chooses one for "
            "each layer on calibration data. \\[default: auto; sit 2]",
            rich_help_panel=CODE,
        ),
    ] = None,
    spikes: Annotated[
        str | None,
        typer.Option(
            help="Most spikes of a neuron in a window: 1, 2 or 3; `auto` adds a second one where it pays most. "
            "\\[default: 1; sit 6]",
            rich_help_panel=CODE,
        ),
    ] = None,
    input_spikes: Annotated[
        int | None,
        typer.Option(
            help="The same for the neurons that code the input: few neurons, whose error reaches everything. "
            "\\[default: 2; sit 6]",
            rich_help_panel=CODE,
        ),
    ] = None,
    residual: Annotated[
        str,
        typer.Option(
            help="Residual streams: one graded spike per neuron and block, or every branch's spikes fanned out.",
            rich_help_panel=CODE,
        ),
    ] = ConvertOptions.residual,
    winner: Annotated[
        str,
        typer.Option(
            help="How softmax finds a row's largest logit: graded spikes, or a race of binary ones (more steps).",
            rich_help_panel=CODE,
        ),
    ] = ConvertOptions.winner,
    softmax: Annotated[
        str,
        typer.Option(
            help="direct; two-stage codes the logits before they race; published also sharpens them by B.",
            rich_help_panel=CODE,
        ),
    ] = ConvertOptions.softmax,
    exponential: Annotated[
        str,
        typer.Option(
            help="sit: SI-exp behind each row's largest, over any range (extended), or fitted on \\[-1, 1] (published), "
            "for models trained with a Sigmoid before softmax.",
            rich_help_panel=CODE,
        ),
    ] = ConvertOptions.exponential,
    activation: Annotated[
        str,
        typer.Option(
            help="sit: GELU and SiLU by threshold schedules (schedule) or by fitted neurons as published (fitted).",
            rich_help_panel=CODE,
        ),
    ] = ConvertOptions.activation,
    precision: Annotated[
        str, typer.Option(help=f"Arithmetic of the network: {', '.join(PRECISIONS)}.", rich_help_panel=CODE)
    ] = ConvertOptions.precision,
    strict: Annotated[
        bool, typer.Option("--strict", help="Stop at the first saturated potential.", rich_help_panel=CODE)
    ] = False,
    target: Annotated[
        str, typer.Option(help="Where to run it; `deploy targets` lists them.", rich_help_panel=RUNS)
    ] = ConvertOptions.target,
    samples: Annotated[
        int,
        typer.Option(
            help="Evaluation samples to step through on the target; the closed form runs all of them.",
            rich_help_panel=RUNS,
        ),
    ] = ConvertOptions.samples,
    blocks: Annotated[
        bool,
        typer.Option(
            "--blocks",
            help="Also measure accuracy with softmax alone, then 1, 2, ... transformer blocks spiking.",
            rich_help_panel=RUNS,
        ),
    ] = False,
    granularity: Annotated[
        str,
        typer.Option(help=f"Lava Processes: one per {' or '.join(GRANULARITIES)}.", rich_help_panel=RUNS),
    ] = ConvertOptions.granularity,
    batch_size: Annotated[
        int, typer.Option(help="Samples per batch of the closed form.", rich_help_panel=RUNS)
    ] = ConvertOptions.batch_size,
    seed: Annotated[
        int, typer.Option(help="Seed of whatever is random.", rich_help_panel=RUNS)
    ] = ConvertOptions.seed,
    explain: Annotated[
        bool,
        typer.Option("--explain", help="Also show how each layer is coded, and what choosing it gained.", rich_help_panel=RUNS),
    ] = False,
    out: Annotated[
        Path | None,
        typer.Option(
            "--out", "-o", help="Folder for the results. \\[default: out/MODEL]", rich_help_panel=RUNS
        ),
    ] = None,
    force: Annotated[
        bool,
        typer.Option("--force", help="Replace an earlier conversion in the folder.", rich_help_panel=RUNS),
    ] = False,
) -> None:
    from deploy import api
    from deploy.console import codes_table, summary

    check_choice("--method", method, METHODS)
    usual = DEFAULTS[method]
    options = ConvertOptions(
        model=model,
        weights=weights,
        method=method,
        timesteps=usual.timesteps if timesteps is None else timesteps,
        base=usual.base if base is None else _base(base),
        spikes=usual.spikes if spikes is None else _spikes(spikes),
        input_spikes=usual.input_spikes if input_spikes is None else input_spikes,
        residual=residual,  # type: ignore[arg-type]  # checked by convert
        winner=winner,  # type: ignore[arg-type]
        softmax=softmax,  # type: ignore[arg-type]
        exponential=exponential,  # type: ignore[arg-type]
        activation=activation,  # type: ignore[arg-type]
        blocks=blocks,
        calib=calib,
        evaluation=evaluation,
        precision=precision,
        target=target,
        granularity=granularity,
        samples=samples,
        limit=limit,
        batch_size=batch_size,
        seed=seed,
        strict=strict,
        force=force,
        out=out,
    )
    report = api.convert(options, BarProgress())
    console = Console()
    if explain and "codes" in report:
        console.print(codes_table(report["codes"]))
    console.print(summary(report))
    console.print(
        f"Written to {options.folder()}; open {options.folder() / PAGE} in a browser.", soft_wrap=True
    )


@app.command()
def run(
    network: Annotated[Path, typer.Argument(help="A folder that convert wrote, or any .nir file.")],
    data: Annotated[Path | None, typer.Option("--input", help="Data; the demo has its own.")] = None,
    target: Annotated[str, typer.Option(help="Where to run it; `deploy targets` lists them.")] = "lava-sim",
    samples: Annotated[int, typer.Option(help="How many samples of the data to run.")] = 2,
    granularity: Annotated[
        str, typer.Option(help=f"Lava Processes: one per {' or '.join(GRANULARITIES)}.")
    ] = "block",
    output: Annotated[Path | None, typer.Option(help="Save the outputs to this .npz file.")] = None,
    segments_in: Annotated[
        str | None,
        typer.Option(help="Run the plain segments in this simulator (snntorch, norse), the rest in the closed form."),
    ] = None,
    dt: Annotated[
        float | None,
        typer.Option(help="Time step, in the unit of the graph's time constants. \\[default: 1e-4]", rich_help_panel=NIR),
    ] = None,
    method: Annotated[
        str,
        typer.Option(help="euler, or exact for inputs constant during a step.", rich_help_panel=NIR),
    ] = "euler",
    reset: Annotated[
        str | None,
        typer.Option(
            help="What a spike does: v_reset sets the potential to it, as NIR defines it; subtract takes "
            "threshold - v_reset off.", rich_help_panel=NIR,
        ),
    ] = None,
    precision: Annotated[
        str,
        typer.Option(help="float, or fixed: Loihi's formats, with a table of the rounding errors.", rich_help_panel=NIR),
    ] = "float",
    scale: Annotated[
        float | None,
        typer.Option(help="Fixed point: integer weight of a real 1. \\[default: as fine as fits]", rich_help_panel=NIR),
    ] = None,
    steps: Annotated[
        int | None,
        typer.Option(help="Time steps; inputs without a time axis are held that long.", rich_help_panel=NIR),
    ] = None,
    calib: Annotated[
        Path | None,
        typer.Option(help="Fixed point: data that sets the ranges. \\[default: the input]", rich_help_panel=NIR),
    ] = None,
) -> None:
    """Runs a converted network, or any NIR file, on data.

    [bold]Examples[/bold]

    deploy run out/demo --target closed-form --samples 100

    deploy run net.nir --input spikes.npz --dt 1e-3 --precision fixed

    A NIR file's data is an .npz with an array for each Input (x for a single one), shape (samples, steps, ...), and
    labels in y; or a file that nir.write_data wrote. closed-form steps a standard NIR graph in plain numpy.
    """
    from deploy import api
    from deploy.console import measured_table, outputs_table

    check_positive("--samples", samples)
    check_choice("--granularity", granularity, GRANULARITIES)
    console = Console()
    if network.is_file():
        from deploy.nir_files import GraphOptions, GraphResult, run_file

        options = GraphOptions(dt, method, reset, precision, scale, steps, calib)
        result = run_file(network, data, target, samples, granularity, options, BarProgress())
        if isinstance(result, GraphResult):
            _show_graph(console, result, output)
            return
    else:
        result = api.run(network, data, target, samples, granularity, BarProgress(), segments_in)
    console.print(outputs_table(result))
    took = "" if result.latency_steps is None else f", {result.latency_steps:,} time steps"
    console.print(
        f"{len(result.outputs)} samples; per sample {result.seconds_per_sample:.3g} s, "
        f"{result.spikes_per_sample:,.0f} spikes{took}"
    )
    if result.measured:
        console.print(measured_table(result.measured))
    if output is not None:
        _save(output, output=result.outputs)
        console.print(f"Outputs written to {output}", soft_wrap=True)


@app.command()
def export(
    folder: Annotated[Path, typer.Argument(help="A folder that convert wrote.")],
    out: Annotated[Path, typer.Option("--out", "-o", help="File to write; with --segments or loihi2 a folder.")],
    format: Annotated[str, typer.Option(help="nir, or loihi2: a folder for a lab with the chip.")] = "nir",
    plain: Annotated[
        bool, typer.Option("--plain", help="Standard nodes only (LIF, Affine, Conv2d), for ReLU networks; with input data.")
    ] = False,
    segments: Annotated[
        bool, typer.Option("--segments", help="The plain parts of any network, each in a file, and a manifest.")
    ] = False,
    dialect: Annotated[
        str, typer.Option(help="Conventions of plain graphs: snntorch, norse, sinabs or spikingjelly.")
    ] = "snntorch",
    samples: Annotated[int, typer.Option(help="Evaluation samples in the data beside a plain graph.")] = 10,
    force: Annotated[bool, typer.Option("--force", help="Replace what is there.")] = False,
) -> None:
    """Writes a converted network as NIR for other simulators, or as a bundle for Loihi 2.

    The bundle holds integers, schedule, placement, an integer program for every kind of neuron, and a sample with every spike
    that it causes; `python run.py` in it steps the programs with numpy alone and compares.

    [bold]Examples[/bold]

    deploy export out/demo -o demo.nir

    deploy export out/mlp --plain --dialect norse -o mlp.nir

    deploy export out/demo --segments -o demo-segments

    deploy export out/demo --format loihi2 -o out/demo-loihi2
    """
    from deploy.export import export as write

    check_choice("--format", format, ("nir", "loihi2"))
    check_positive("--samples", samples)
    if plain and segments:
        raise DeployError("--plain and --segments: one graph or several; choose one")
    if format == "loihi2" and (plain or segments):
        raise DeployError("--format loihi2: --plain and --segments are forms of NIR; leave them out")
    form = "loihi2" if format == "loihi2" else "plain" if plain else "segments" if segments else "whole"
    written = write(folder, out, form, dialect, samples, force)
    print(f"{written.note}; written to {', '.join(map(str, written.files[:2]))}")


@app.command()
def targets() -> None:
    """Lists where a network can run: what is available here, and what the rest would need."""
    from deploy import availability
    from deploy.console import targets_table

    Console().print(targets_table(availability.targets()))


@app.command()
def place(
    network: Annotated[Path, typer.Argument(help="A folder that convert wrote, or its graph.nir.")],
    chip: Annotated[str, typer.Option(help="loihi1 or loihi2: tables of what a core holds.")] = "loihi2",
) -> None:
    """Says how many cores and chips a network takes, what fills up first, and what does not fit and why.

    Large layers are split over cores. Limits of which no public number is known are named, and not checked.

    Example: deploy place out/demo --chip loihi2
    """
    from deploy.place import place as place_on
    from deploy.placement_table import print_placement

    print_placement(Console(), place_on(network, chip))


@app.command()
def report(folder: Annotated[Path, typer.Argument(help="A folder that convert wrote.")]) -> None:
    """Shows the report of a conversion again."""
    from deploy.console import summary

    console = Console()
    console.print(summary(_report(folder)))
    console.print(f"Details: {folder / PAGE}", soft_wrap=True)


@app.command()
def compare(
    folders: Annotated[list[Path], typer.Argument(help="Two or more folders that convert wrote.")],
    out: Annotated[Path | None, typer.Option("--out", "-o", help="Also write the comparison to this .html file.")] = None,
) -> None:
    """Sets conversions side by side: accuracy, steps, spikes, energy, what does not spike.

    Example: deploy compare out/woss out/sit -o out/compare.html
    """
    from deploy import compare

    found = compare.comparison(folders)
    console = Console()
    console.print(compare.table(found))
    if out is not None:
        compare.write_page(found, out)
        console.print(f"Written to {out}", soft_wrap=True)


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
    from deploy.fitting import fit_table, fitted_summary, save_table

    table = fit_table(function, timesteps, *between, seed, BarProgress())
    console = Console()
    console.print(fitted_summary(table))
    if out is not None:
        save_table(table, out)
        console.print(f"Written to {out}", soft_wrap=True)


@app.command()
def energy(
    folder: Annotated[Path, typer.Argument(help="A folder that convert wrote.")],
    layers: Annotated[bool, typer.Option("--layers", help="Also list events layer by layer.")] = False,
) -> None:
    """What a conversion costs, from counted events, by several published conventions, beside the original network.

    Example: deploy energy out/demo --layers
    """
    from deploy.energy.tables import energy_tables

    content = _report(folder)
    if "energy" not in content:
        raise DeployError(f"{folder}: its report has no counted events; convert again with --force")
    console = Console()
    for table in energy_tables(content, layers):
        console.print(table)
    console.print("Sources of every price: deploy/energy/conventions/, and report.json")


@app.command()
def sweep(
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder for the results.")],
    timesteps: Annotated[str, typer.Option(help="T: one or more, as 8,16,24,32,40.")] = "8,16,24,32,40",
    base: Annotated[str, typer.Option(help="B: one or more, as 1.15,1.4,auto.")] = "auto",
    method: Annotated[str, typer.Option(help=f"One or more of {', '.join(METHODS)}.")] = ConvertOptions.method,
    precision: Annotated[
        str, typer.Option(help=f"One or more of {', '.join(PRECISIONS)}.")
    ] = ConvertOptions.precision,
    spikes: Annotated[str, typer.Option(help="Most spikes of a neuron in a window: one or more, as 1,2,auto.")] = "1",
    tokens: Annotated[str, typer.Option(help="Lengths that text is cut to. [default: as it is]")] = "",
    model: Annotated[
        str, typer.Option(help="As for convert.", rich_help_panel=MODELS)
    ] = ConvertOptions.model,
    weights: Annotated[str | None, typer.Option(help="As for convert.", rich_help_panel=MODELS)] = None,
    calib: Annotated[Path | None, typer.Option(help="As for convert.", rich_help_panel=MODELS)] = None,
    evaluation: Annotated[
        Path | None, typer.Option("--eval", help="As for convert.", rich_help_panel=MODELS)
    ] = None,
    limit: Annotated[
        int | None, typer.Option(help="Evaluate at most so many samples.", rich_help_panel=MODELS)
    ] = None,
    workers: Annotated[
        int | None, typer.Option(help="Worker processes. [default: one per core]", rich_help_panel=RUNS)
    ] = None,
    force: Annotated[
        bool, typer.Option("--force", help="Replace a sweep in the folder.", rich_help_panel=RUNS)
    ] = False,
) -> None:
    """Converts with every combination of settings, runs each in closed form, and draws what it brings and costs.

    A sweep that was interrupted, or is given more settings, goes on with what the folder has.

    Example: deploy sweep --timesteps 8,16,24,32,40 --base 1.15,1.4,auto -o out/sweep
    """
    from deploy.console import sweep_table
    from deploy.sweep import PAGE as SWEEP_PAGE
    from deploy.sweep import SweepOptions
    from deploy.sweep import sweep as run_sweep

    shared = ConvertOptions(model=model, weights=weights, calib=calib, evaluation=evaluation, limit=limit)
    content = run_sweep(
        SweepOptions(
            shared, out, _whole("--timesteps", timesteps), [_base(text) for text in _listed(base)], _listed(method),
            _listed(precision), [_spikes(text) for text in _listed(spikes)], _whole("--tokens", tokens), workers, force,
        ),
        BarProgress(),
    )  # fmt: skip
    console = Console()
    console.print(sweep_table(content))
    console.print(f"Written to {out}; open {out / SWEEP_PAGE} in a browser.", soft_wrap=True)
    if any("failed" in point for point in content["points"]):
        raise typer.Exit(FAILED)


@app.command()
def verify(
    folder: Annotated[Path, typer.Argument(help="A folder that convert wrote.")],
    samples: Annotated[int, typer.Option(help="How many evaluation samples to step through.")] = 2,
    granularity: Annotated[
        str, typer.Option(help=f"Lava Processes: one per {' or '.join(GRANULARITIES)}.")
    ] = "block",
) -> None:
    """Runs samples through Lava and through the closed form, and fails at the first spike that differs.

    Example: deploy verify out/demo --samples 20
    """
    from deploy import api

    check_positive("--samples", samples)
    check_choice("--granularity", granularity, GRANULARITIES)
    result = api.verify(folder, samples, granularity, BarProgress())
    compared = (
        f"{result.compared_spikes:,} spikes, {result.compared_potentials:,} potentials and "
        f"{result.saturations:,} saturations"
    )
    if result.mismatches:
        print(f"{result.mismatches:,} of {compared} differ; first: {result.first}", file=sys.stderr)
        raise typer.Exit(FAILED)
    print(f"identical: {compared}, {result.samples} samples, one Lava Process per {granularity}")


@app.command()
def evaluate(
    folder: Annotated[Path, typer.Argument(help="A folder that convert wrote.")],
    data: Annotated[
        Path | None, typer.Option(help="Data, as for convert. Left out: the conversion's evaluation data.")
    ] = None,
    target: Annotated[str, typer.Option(help="Where to run it; `deploy targets` lists them.")] = "closed-form",
    granularity: Annotated[
        str, typer.Option(help=f"Lava Processes: one per {' or '.join(GRANULARITIES)}.")
    ] = "block",
    limit: Annotated[int | None, typer.Option(help="Evaluate at most so many samples.")] = None,
    batch_size: Annotated[
        int | None, typer.Option(help="Samples per batch. \\[default: 64; 4 on a target that steps]")
    ] = None,
    workers: Annotated[
        int | None, typer.Option(help="Worker processes on this machine. \\[default: one per core]")
    ] = None,
    cluster: Annotated[
        str | None,
        typer.Option(help="Address of a Dask scheduler, tcp://HOST:8786, whose workers do it; they have to see FOLDER."),
    ] = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on with what an interrupted evaluation has done.")
    ] = False,
    force: Annotated[
        bool, typer.Option("--force", help="Throw away what an interrupted evaluation has done.")
    ] = False,
) -> None:
    """Evaluates a converted network on a whole data set, in batches, by many workers.

    Writes evaluation.json and, with a row per sample, evaluation.npz into the folder. The result does not depend on the
    number of workers; every finished batch is kept, so an interrupted evaluation goes on with --resume.

    Example: deploy evaluate out/demo --data test.npz --workers 8
    """
    from deploy.console import evaluation_table
    from deploy.evaluation import EvaluateOptions
    from deploy.evaluation import evaluate as run_evaluation

    options = EvaluateOptions(
        folder, data, target, granularity, limit, batch_size, workers, cluster, resume, force
    )
    Console().print(evaluation_table(run_evaluation(options, BarProgress())))


@app.command()
def models(
    only: Annotated[str, typer.Option(help="Families whose name contains this.")] = "",
) -> None:
    """Lists families of models that convert, by converting a small variant of each with random weights (minutes).

    Example: deploy models --only swin
    """
    from converters.coverage import coverage
    from converters.families import FAMILIES
    from deploy.console import coverage_table

    families = tuple(family for family in FAMILIES if only.lower() in family.name.lower())
    if not families:
        raise DeployError(f"--only {only}: no such family; known are {', '.join(f.name for f in FAMILIES)}")
    rows = []
    with BarProgress().stage("convert one of each", len(families)) as advance:
        for row in coverage(families):
            rows.append(row)
            advance(1)
    Console().print(coverage_table(rows))
    if any(row.state == "failed" for row in rows):
        raise typer.Exit(FAILED)


def _spikes(text: str) -> int | Literal["auto"]:
    """--spikes as it is meant."""
    if text == "auto":
        return "auto"
    try:
        return int(text)
    except ValueError as error:
        raise DeployError(f"--spikes {text}: give 1, 2, 3 or auto") from error


def _report(folder: Path) -> dict[str, Any]:
    path = require_conversion(folder) / REPORT
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise DeployError(f"{path}: not readable as JSON; convert again with --force") from error


def _listed(text: str) -> list[str]:
    return [part.strip() for part in text.split(",") if part.strip()]


def _whole(option: str, text: str) -> list[int]:
    try:
        return [int(part) for part in _listed(text)]
    except ValueError as error:
        raise DeployError(f"{option} {text}: give whole numbers with commas between them, as 8,16,40") from error


def _base(text: str) -> float | Literal["auto"]:
    if text == "auto":
        return "auto"
    try:
        return float(text)
    except ValueError as error:
        raise DeployError(f"--base {text}: give a number above 1 and at most 2, or auto") from error


def _show_graph(console: Console, result: Any, output: Path | None) -> None:
    from deploy.console import graph_tables

    for shown in graph_tables(result):
        console.print(shown, soft_wrap=isinstance(shown, str))
    if output is not None:
        traces = result.run.traces
        _save(output, **traces.outputs, **{f"spikes:{name}": spikes for name, spikes in traces.spikes.items()})
        console.print(f"Outputs and spikes written to {output}", soft_wrap=True)


def _save(path: Path, **arrays: Any) -> None:
    import numpy as np

    try:
        with path.open("wb") as file:  # a handle, so that numpy adds no suffix
            np.savez(file, **arrays)
    except OSError as error:
        raise DeployError(
            f"--output {path}: cannot be written ({error.strerror}); choose another file"
        ) from error


def _terminated(signum: int, frame: FrameType | None) -> None:
    # As an exception, so that unfinished output folders and child processes are cleaned up.
    raise SystemExit(TERMINATED)


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command line and returns its exit code; errors are one line on the error stream."""
    before = signal.signal(signal.SIGTERM, _terminated)
    try:
        code = app(args=None if arguments is None else list(arguments), standalone_mode=False)
    except UnsupportedGraph as error:
        from deploy.console import refusals_table

        Console(stderr=True).print(refusals_table(error.refusals))
        print("error: the NIR graph cannot run; the table says why, node by node", file=sys.stderr)
        return MISUSED
    except (DeployError, TyperException) as error:
        message = error.format_message() if isinstance(error, TyperException) else str(error)
        message = " ".join(message.split())
        if message and isinstance(error, TyperException):
            message = f"{message.rstrip('.')}; `deploy --help` and `deploy COMMAND --help` say what is known"
        if message:  # empty where a missing command was answered by the help
            print(f"error: {message}", file=sys.stderr)
        return MISUSED
    except (KeyboardInterrupt, Abort):
        print("interrupted", file=sys.stderr)
        return INTERRUPTED
    finally:
        signal.signal(signal.SIGTERM, before)
    return code if isinstance(code, int) else 0


if __name__ == "__main__":
    sys.exit(main())
