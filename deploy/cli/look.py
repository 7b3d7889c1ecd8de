"""Commands that show something: targets, placement, reports, comparisons, energy and families of models."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from deploy.cli.answer import answered, asked_json
from deploy.cli.app import FAILED, app
from deploy.cli.declared import takes
from deploy.cli.early import check_nir
from deploy.errors import DeployError
from deploy.options import GraphOptions, check_choice, check_positive
from deploy.options.choices import CHIPS
from deploy.options.declare import NIR
from deploy.output import PAGE, require_conversion, require_conversions
from deploy.progress import BarProgress
from deploy.terminal import Terminal

if TYPE_CHECKING:
    from deploy.trained.report import EnergyReport


@app.command()
def targets() -> None:
    """Lists where a network can run: what is available here, and what the rest would need.

    Example: deploy targets
    """
    from deploy import availability
    from deploy.console import targets_table

    found = availability.targets()
    if answered(found):
        return
    Terminal().print(targets_table(found))


@app.command()
def place(
    network: Annotated[Path, typer.Argument(help="A folder that convert wrote, or its graph.nir.")],
    chip: Annotated[str, typer.Option(help="loihi1 or loihi2: tables of what a core holds.")] = "loihi2",
    state_sets: Annotated[
        int, typer.Option(help="Most samples that a neuron holds at once, so that they follow each other more closely.")
    ] = 1,
) -> None:
    """Says how many cores and chips a network takes, what fills up first, and what does not fit and why.

    Large layers are split over cores. Limits of which no public number is known are named, and not checked.

    Example: deploy place out/demo --chip loihi2
    """
    check_choice("--chip", chip, CHIPS)
    check_positive("--state-sets", state_sets)
    if not network.is_file():
        require_conversion(network)
    from deploy.place import place as place_on
    from deploy.place import summary
    from deploy.placement_table import print_placement

    placement, overlap = place_on(network, chip, state_sets)
    if answered({"chip": chip, "overlap": overlap, "placement": summary(placement, overlap.sets)}):
        return
    print_placement(Terminal(), placement, overlap)


@app.command()
def report(
    folder: Annotated[Path | None, typer.Argument(help="A folder that convert wrote.")] = None,
    schema: Annotated[bool, typer.Option("--schema", help="Print the JSON Schema of report.json instead.")] = False,
) -> None:
    """Shows the report of a conversion again.

    Example: deploy report out/demo
    """
    from deploy.console import cautions_shown, summary
    from deploy.schema import dumps, json_schema, read_report

    if schema:
        print(json.dumps(json_schema(), indent=2))
        return
    if folder is None:
        raise DeployError("report: give a folder that convert wrote, or --schema")
    content = read_report(folder)
    if answered(dumps(content)):
        return
    console = Terminal()
    console.print(summary(content))
    console.print(f"Details: {folder / PAGE}", soft_wrap=True)
    for line in cautions_shown(content.warnings):
        console.print(line, soft_wrap=True, markup=False)


@app.command()
def compare(
    folders: Annotated[list[Path], typer.Argument(help="Two or more folders that convert wrote.")],
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="Also write the comparison to this .html file.")
    ] = None,
) -> None:
    """Sets conversions side by side: accuracy, steps, spikes, energy, what does not spike.

    Example: deploy compare out/woss out/sit -o out/compare.html
    """
    if out is not None and out.suffix.lower() not in (".html", ".htm"):
        raise DeployError(f"-o {out}: the comparison is a page; give a file that ends in .html")
    require_conversions(folders)
    from deploy import compare

    found = compare.comparison(folders)
    if out is not None:
        compare.write_page(found, out)
    if answered(found):
        return
    console = Terminal()
    console.print(compare.table(found))
    if out is not None:
        console.print(f"Written to {out}", soft_wrap=True)


@app.command()
@takes(GraphOptions, only=("dt", "method", "reset", "framework", "steps"))
def energy(
    graph: GraphOptions,
    folder: Annotated[Path, typer.Argument(help="A folder that convert or trained wrote, or a standard .nir file.")],
    layers: Annotated[bool, typer.Option("--layers", help="Also list events layer by layer.")] = False,
    data: Annotated[
        Path | None, typer.Option("--input", help="Data, as for run, on which events are counted.", rich_help_panel=NIR)
    ] = None,
    samples: Annotated[int, typer.Option(help="How many samples of it.", rich_help_panel=NIR)] = 20,
) -> None:
    """What a conversion costs, from counted events, by every convention of docs/energy.md, beside the original network.

    Of a folder that `deploy trained` wrote, and of a standard NIR file on data: beside the formula of the spiking transformers'
    papers, and what that leaves out.

    [bold]Examples[/bold]

    deploy energy out/demo --layers

    deploy energy net.nir --input spikes.npz --dt 1e-3 --samples 100
    """
    check_positive("--samples", samples)
    if folder.is_file():
        check_nir(folder)
        from deploy.nir_energy import energy_of_file

        _energy_of_trained(energy_of_file(folder, data, samples, graph, BarProgress()), layers)
        return
    if data is not None:
        raise DeployError(f"--input: {folder} has its counted events with it; leave the option out")
    if (folder / "trained.json").is_file():
        from deploy.trained.report import read_trained

        _energy_of_trained(read_trained(folder), layers)
        return
    require_conversion(folder)
    from deploy.energy.tables import energy_tables
    from deploy.schema import dumps, read_report

    content = read_report(folder)
    if not content.energy:
        raise DeployError(f"{folder}: its report has no counted events; convert again with --force")
    if asked_json():
        whole = json.loads(dumps(content))
        kept = {key: whole[key] for key in ("events", "energy", "flops_formula", "neurobench") if key in whole}
        by_layer = {"layers": {layer["name"]: layer.get("events", {}) for layer in whole["layers"]}} if layers else {}
        answered(kept | by_layer)
        return
    console = Terminal()
    for table in energy_tables(content, layers):
        console.print(table)
    console.print("Sources of every price: deploy/energy/conventions/, and report.json")


def _energy_of_trained(content: EnergyReport, layers: bool) -> None:
    from deploy.trained.show import energy_shown, layers_shown

    shown = {"events", "formula", "energy", "neurobench"} | ({"layers"} if layers else set())
    if answered(content.model_dump_json(include=shown, indent=1)):
        return
    console = Terminal()
    for part in [*energy_shown(content), *([layers_shown(content)] if layers else [])]:
        console.print(part, soft_wrap=isinstance(part, str))
    console.print(
        "Sources of every price: deploy/energy/conventions/, and docs/trained.md of the formula", soft_wrap=True
    )


@app.command()
def models(
    only: Annotated[str, typer.Option(help="Families whose name contains this.")] = "",
    every: Annotated[
        bool, typer.Option("--all", help="Walk all of timm and transformers (hours), without converting.")
    ] = False,
    jobs: Annotated[int, typer.Option(min=1, help="With --all: processes at a time.")] = 1,
    timeout: Annotated[float, typer.Option(min=1, help="With --all: seconds for each model.")] = 180.0,
    memory: Annotated[float, typer.Option(min=1, help="With --all: GB for each model.")] = 12.0,
    results: Annotated[
        Path, typer.Option(help="With --all: what was found; what it holds is not walked again.")
    ] = Path("out/coverage.jsonl"),
    out: Annotated[Path, typer.Option("--out", "-o", help="With --all: the page to write.")] = Path("docs/coverage.md"),
) -> None:
    """Lists families of models that convert, by converting a small variant of each with random weights (minutes).

    With --all every module of timm and every architecture of transformers is lowered and compared with the model instead, and a
    page says what blocks the others.

    Example: deploy models --only swin
    """
    if every:
        _walk(only, jobs, timeout, memory, results, out)
        return
    from converters.coverage import COLUMNS, coverage
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
    if not answered(rows):
        Terminal().print(coverage_table(rows, COLUMNS))
    if any(row.state == "failed" for row in rows):
        raise typer.Exit(FAILED)


def _walk(only: str, jobs: int, timeout: float, memory: float, results: Path, out: Path) -> None:
    """Run `deploy models --all`: walk the models, write the page, and exit with FAILED if a model failed."""
    from converters.walk import STATES, hugging_face, timm_models
    from converters.walk.page import page
    from converters.walk.runs import known, walk

    subjects = [*timm_models.subjects(), *hugging_face.subjects()]
    whole = Counter(subject.family.split()[0] for subject in subjects)
    subjects = [subject for subject in subjects if only.lower() in subject.family.lower()]
    if not subjects:
        raise DeployError(f"--only {only}: no such module of timm and no such architecture of transformers")
    wanted = {subject.family for subject in subjects}
    before = [found for found in known(results) if found.family in wanted]
    with BarProgress().stage("walk", len(subjects)) as advance:
        advance(len(before))
        for _ in walk(subjects, results, jobs, timeout, memory):
            advance(1)
    found = known(results)
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(page(found, whole))
    counts = {state: sum(one.state == state for one in found) for state in STATES}
    if not answered({"counts": counts, "results": results, "page": out}):
        print(f"{', '.join(f'{number} {state}' for state, number in counts.items())}; written to {out}")
    if counts["failed"]:
        raise typer.Exit(FAILED)
