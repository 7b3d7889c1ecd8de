"""`deploy run`, `verify` and `evaluate`: a converted network, or a NIR file, on data."""

from __future__ import annotations

import sys
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer

from deploy.cli.answer import answered
from deploy.cli.app import FAILED, app
from deploy.cli.declared import takes
from deploy.cli.early import check_network, check_output
from deploy.errors import DeployError
from deploy.options import GRANULARITIES, EvaluateOptions, GraphOptions, check_choice, check_positive, overlapping
from deploy.options.declare import OVERLAP, STATE_SETS, Anew, Folder, Trusted
from deploy.options.devices import DEVICE, check_closed_form, check_device
from deploy.output import TRAINED, require_conversion
from deploy.progress import BarProgress
from deploy.terminal import Terminal

Granularity = Annotated[str, typer.Option(help="What a Lava Process holds.", metavar="|".join(GRANULARITIES))]


@app.command()
@takes(GraphOptions)
def run(
    graph: GraphOptions,
    network: Annotated[Path, typer.Argument(help="A folder that convert wrote, or any .nir file.")],
    data: Annotated[Path | None, typer.Option("--input", help="Data; the demo has its own.")] = None,
    target: Annotated[
        str | None,
        typer.Option(
            help="Where to run it; `deploy targets` lists them. \\[default: lava-sim, or stepper where Lava cannot run]"
        ),
    ] = None,
    samples: Annotated[int, typer.Option(help="How many samples of the data to run.")] = 2,
    granularity: Granularity = "block",
    output: Annotated[Path | None, typer.Option(help="Save the outputs to this .npz file.")] = None,
    segments_in: Annotated[
        str | None,
        typer.Option(
            help="Instead of --target: the plain segments in this simulator (snntorch, norse, sinabs, spikingjelly), the rest "
            "in the closed form."
        ),
    ] = None,
    overlap: Annotated[bool, typer.Option("--overlap", help=OVERLAP)] = False,
    state_sets: Annotated[int | None, typer.Option(help=STATE_SETS)] = None,
    device: Annotated[str, typer.Option(help=DEVICE)] = "cpu",
    trust: Trusted = False,
    model: Anew = None,
) -> None:
    """Runs a converted network, or any NIR file, on data.

    [bold]Examples[/bold]

    deploy run out/demo --target closed-form --samples 100

    deploy run net.nir --input spikes.npz --dt 1e-3 --precision fixed

    A NIR file's data is an .npz with an array for each Input (x for a single one), shape (samples, steps, ...), and
    labels in y; or a file that nir.write_data wrote. stepper and closed-form step a standard NIR graph in plain numpy.
    """
    from targets import registry

    check_positive("--samples", samples)
    check_choice("--granularity", granularity, GRANULARITIES)
    if target is not None:
        check_choice("--target", target, registry())
    check_device(device)
    check_closed_form(device, None if network.is_file() or segments_in is not None else target)
    graph.check()
    sets = overlapping(overlap, state_sets)
    if sets is not None and (network.is_file() or segments_in is not None):
        raise DeployError("--overlap: for a converted network's folder, and on a target; leave it out")
    target = "stepper" if sets is not None and target is None else target
    check_network(network, data, output)
    check_output(output, network, data, graph.calib)
    if not network.is_file() and graph != GraphOptions():
        raise DeployError(
            f"{network}: is a conversion, whose time step, neurons and arithmetic are its own: options of "
            "standard NIR graphs belong to .nir files; leave them out"
        )
    from deploy.console import cautions_shown, measured_table, outputs_table

    if network.is_file():
        from deploy.nir_files import GraphResult, run_file

        result = run_file(network, data, target, samples, granularity, graph, BarProgress(), segments_in)
        if isinstance(result, GraphResult):
            _show_graph(result, output)
            return
    else:
        from deploy import api
        from deploy.origin import Trust

        result = api.run_files(
            network, data, target, samples, granularity, BarProgress(), segments_in, Trust(trust, model), sets, device
        )
    if output is not None:
        _save(output, output=result.outputs)
    if answered(result):
        return
    console = Terminal()
    console.print(outputs_table(result))
    took = "" if result.latency_steps is None else f", {result.latency_steps:,} time steps"
    console.print(
        f"{len(result.outputs)} samples; per sample {result.seconds_per_sample:.3g} s, "
        f"{result.spikes_per_sample:,.0f} spikes{took}"
    )
    if result.measured:
        console.print(measured_table(result.measured))
    if output is not None:
        console.print(f"Outputs written to {output}", soft_wrap=True)
    for line in cautions_shown(result.cautions):
        console.print(line, soft_wrap=True, markup=False)


@app.command()
def verify(
    folder: Folder,
    samples: Annotated[int, typer.Option(help="How many evaluation samples to step through.")] = 2,
    target: Annotated[
        str | None,
        typer.Option(help="What steps: lava-sim or stepper. \\[default: lava-sim, or stepper where Lava cannot run]"),
    ] = None,
    granularity: Granularity = "block",
    trust: Trusted = False,
    model: Anew = None,
) -> None:
    """Steps samples through time and runs them through the closed form, and fails at the first spike that differs.

    A folder of deploy trained is verified in fixed point on Lava, on the first samples of its data, which it keeps.

    Example: deploy verify out/demo --samples 20
    """
    check_positive("--samples", samples)
    check_choice("--granularity", granularity, GRANULARITIES)
    if (folder / TRAINED).is_file():
        _verify_trained(folder, samples, target, granularity)
        return
    require_conversion(folder)
    from deploy import api
    from deploy.origin import Trust

    result = api.load_conversion(folder, trust=Trust(trust, model)).verify(
        samples, granularity=granularity, progress=BarProgress(), target=target
    )
    if not answered({**asdict(result), "identical": not result.mismatches}):
        compared = (
            f"{result.compared_spikes:,} spikes, {result.compared_potentials:,} potentials and "
            f"{result.saturations:,} saturations"
        )
        if result.mismatches:
            print(f"{result.mismatches:,} of {compared} differ; first: {result.first}", file=sys.stderr)
        else:
            by = (
                f"target {result.stepped_by}"
                if result.stepped_by != "lava-sim"
                else f"one Lava Process per {granularity}"
            )
            print(f"identical: {compared}, {result.samples} samples, {by}")
    if result.mismatches:
        raise typer.Exit(FAILED)


def _verify_trained(folder: Path, samples: int, target: str | None, granularity: str) -> None:
    if target not in (None, "lava-sim"):
        raise DeployError(
            f"--target {target}: {folder} is a folder of deploy trained, which Lava verifies; leave it out"
        )
    from deploy.trained.verify import verify_folder

    found = verify_folder(folder, samples, granularity, BarProgress())
    if not answered({**found.model_dump(), "identical": not found.differing}):
        compared = f"{found.compared:,} spikes, potentials and outputs"
        if found.differing:
            print(f"{found.differing:,} of {compared} differ; first: {found.first}", file=sys.stderr)
        else:
            print(f"identical: {compared}, {found.samples} samples, one Lava Process per {granularity}")
    if found.differing:
        raise typer.Exit(FAILED)


@app.command()
@takes(EvaluateOptions)
def evaluate(options: EvaluateOptions) -> None:
    """Evaluates a converted network on a whole data set, in batches, by many workers.

    Writes evaluation.json and, with a row per sample, evaluation.npz into the folder. The result does not depend on the
    number of workers; every finished batch is kept, so an interrupted evaluation goes on with --resume.

    Example: deploy evaluate out/demo --data test.npz --workers 8
    """
    from targets import registry

    options.check(registry())  # before anything that takes seconds to import
    require_conversion(options.folder.expanduser())
    from deploy.console import cautions_shown, evaluation_table
    from deploy.evaluation import evaluate as run_evaluation
    from deploy.schema import dumps

    result = run_evaluation(options, BarProgress())
    if answered(dumps(result)):
        return
    console = Terminal()
    console.print(evaluation_table(result))
    for line in cautions_shown(result.warnings):
        console.print(line, soft_wrap=True, markup=False)


def _show_graph(result: Any, output: Path | None) -> None:
    from deploy.console import cautions_shown, graph_content, graph_tables

    traces = result.run.traces
    if output is not None:
        _save(output, **traces.outputs, **{f"spikes:{name}": spikes for name, spikes in traces.spikes.items()})
    if answered(graph_content(result)):
        return
    console = Terminal()
    for shown in graph_tables(result):
        console.print(shown, soft_wrap=isinstance(shown, str))
    if output is not None:
        console.print(f"Outputs and spikes written to {output}", soft_wrap=True)
    for line in cautions_shown(result.cautions):
        console.print(line, soft_wrap=True, markup=False)


def _save(path: Path, **arrays: Any) -> None:
    import numpy as np

    from processes.files import atomic_write

    try:
        with atomic_write(path) as file:  # a handle, so that numpy adds no suffix
            np.savez(file, **arrays)
    except OSError as error:
        raise DeployError(f"--output {path}: cannot be written ({error.strerror}); choose another file") from error
