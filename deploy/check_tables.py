"""Output of `deploy check` and `deploy convert --dry-run`: tables for a terminal, dictionaries for `--json`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from rich import box
from rich.table import Table

from deploy.errors import Refusal

if TYPE_CHECKING:
    from deploy.dry_run import DryRun
    from deploy.model_check import ModelCheckup
    from deploy.nir_check import Checkup

_SHOWN = 20


def checkup_shown(found: Checkup) -> list[Table | str]:
    """The tables and lines that `deploy check FILE.nir` prints, from the file's content to the command that runs it."""
    total = "neurons unknown, as shapes do not fit" if found.neurons is None else f"{found.neurons:,} neurons"
    shown: list[Table | str] = [
        f"{found.path}: nir {found.version or 'of no stated version'}; written by: {found.writer}",
        f"{sum(kind.nodes for kind in found.kinds)} nodes, {total}, {found.parameters:,} parameters",
        _table(
            ("type", "nodes", "values a step", "parameters"),
            [
                (
                    k.kind,
                    f"{k.nodes:,}",
                    "" if k.values is None else f"{k.values:,}",
                    f"{k.parameters:,}" if k.parameters else "",
                )
                for k in found.kinds
            ],
        ),
        f"nir's own type check: {found.type_error or 'passes'}",
    ]
    if found.conventions:
        shown.append(_table(("left open by NIR", "what the file says", "option"),
                            [(c.question, c.found, c.option) for c in found.conventions]))  # fmt: skip
    if found.repairs:
        rows = [(r.node, r.kind, r.done, "yes" if r.harmless else "no: --repair only") for r in found.repairs]
        shown.append(_table(("can be repaired", "type", "how", "harmless"), _cut(rows, 4)))
    if found.refusals:
        rows = [(r.node, r.kind, r.reason) for r in found.refusals]
        shown.append(_table(("does not fit", "type", "why"), _cut(rows, 3)))
    rows = [(p.name, "no" if p.stops else "yes", _stopped(p.stops) or p.remark) for p in found.places]
    shown.append(_table(("simulator or chip", "runs", "which node stops it, or what is different there"), rows))
    return [*shown, _next(found)]


def checkup_content(found: Checkup) -> dict[str, Any]:
    """The check-up of a NIR file as `deploy check FILE.nir --json` prints it; without the repaired graph."""
    keys = ("version", "writer", "framework", "neurons", "parameters", "type_error", "dt", "runs")
    lists = ("kinds", "conventions", "repairs", "refusals", "places")
    return {"file": str(found.path), **{key: getattr(found, key) for key in keys},
            **{key: [asdict(item) for item in getattr(found, key)] for key in lists}}  # fmt: skip


def model_shown(found: ModelCheckup) -> list[Table | str]:
    """The tables and lines that `deploy check MODEL` prints."""
    inputs = ", ".join(f"{name} ({', '.join(map(str, shape))})" for name, shape in found.inputs.items())
    shown: list[Table | str] = [f"{found.model}: captured with one sample of {inputs}; no data, no calibration"]
    if found.refusals:
        rows = [(r.kind, r.node, r.reason) for r in found.refusals]
        shown.append(_table(("cannot be converted", "where", "why"), _cut(rows, 3)))
        return [
            *shown,
            f"{len(found.refusals)} operations cannot be converted; `deploy convert` would refuse the model",
        ]
    return [
        *shown,
        *_network(found),
        "Everything converts. How accurate it is takes data: deploy convert --model ... --calib ... --eval ...",
    ]


def _network(found: ModelCheckup) -> list[Table | str]:
    """Table and lines about the network that a model becomes: operations, sizes, time steps, what the host does."""
    synapses = "" if found.synapses is None else f", {found.synapses:,} synapses"
    cores = "".join(f"; {chip}: {count:,} cores on paper" for chip, count in found.cores.items())
    return [
        _table(("becomes", "how often"), [(k.replace("_", " "), f"{n:,}") for k, n in found.operations.items()]),
        f"{found.neurons:,} neurons that fire{synapses}{cores}",
        f"{found.steps:,} time steps a sample, {found.windows:.1f} windows of T = {found.timesteps}",
        f"stays on the host: {found.host.removeprefix('host: ') or 'the scaling of the input'}",
    ]


def dry_run_shown(found: DryRun) -> list[Table | str]:
    """The tables and lines that `deploy convert --dry-run` prints."""
    options, code = found.options, found.options.code
    stepped = "nothing is stepped" if found.target == "closed-form" else f"{options.samples:,} samples stepped"
    limit = "" if options.latency is None else f" within {options.latency:,} steps"
    if code.timesteps == "auto":
        limit += " (sizes and steps below are those of one T for all)"
    rows = [
        ("model", options.model),
        ("method", f"{options.method}, {options.precision} point"),
        ("code", f"T = {code.timesteps}{limit}, B = {code.base}, spikes {code.spikes}, of the input {code.input_spikes}"),
        *([("search", f"the cheapest code within --budget {options.budget}; T and spikes above may change")]
          if options.budget is not None else []),
        ("calibration", "{:,} samples of {}".format(*found.calibration)),
        ("evaluation", "{:,} samples of {}".format(*found.evaluation)),
        *([("read by", found.transform)] if found.transform else []),
        ("target", f"{found.target}, {stepped}"),
        ("written to", f"{options.folder()}{', replacing what is there' if options.force else ''}"),
    ]  # fmt: skip
    shown: list[Table | str] = [_table(("would convert", ""), rows)]
    if found.model is not None:
        shown += _network(found.model)
    else:
        shown.append("what this baseline's network becomes is known only when its thresholds are")
    total = sum(found.memory.values())
    parts = [(what, f"{taken:.2f}") for what, taken in found.memory.items()]
    return [
        *shown,
        _table(("memory that is held together at most, estimated", "GiB"), [*parts, ("in all, about", f"{total:.1f}")]),
        "Nothing was converted. How long it takes is not estimated: it depends on the machine and on how codes turn out.",
    ]


def dry_run_content(found: DryRun) -> dict[str, Any]:
    """The dry run as `deploy convert --dry-run --json` prints it; ``memory_gib``: GiB by what takes them."""
    (calibration, calibrated_on), (evaluation, evaluated_on) = found.calibration, found.evaluation
    return {
        "options": asdict(found.options),
        "code": found.options.code._asdict(),
        "target": found.target,
        "folder": found.options.folder(),
        "calibration": {"samples": calibration, "source": calibrated_on},
        "evaluation": {"samples": evaluation, "source": evaluated_on},
        "transform": found.transform,
        "model": None if found.model is None else model_content(found.model),
        "memory_gib": dict(found.memory),
    }


def model_content(found: ModelCheckup) -> dict[str, Any]:
    """The check-up of a model as `deploy check MODEL --json` prints it."""
    return {**asdict(found), "converts": not found.refusals}


def _next(found: Checkup) -> str:
    dt = "" if found.dt is None else f" --dt {found.dt:g}"
    if found.refusals:
        return "It does not run here: the table says why, node by node."
    if not found.runs:
        return f"It runs once it is repaired: deploy check {found.path} --repair -o FIXED.nir"
    note = ", which makes the harmless repairs" if found.repairs else ""
    preset = dt if found.framework is None else f" --from {found.framework}"
    return f"To run it: deploy run {found.path} --input DATA.npz --target closed-form{preset}{note}"


def _stopped(stops: Sequence[Refusal]) -> str:
    if not stops:
        return ""
    first = stops[0]
    more = f" (and {len(stops) - 1} more)" if len(stops) > 1 else ""
    where = "" if first.node == "graph" else f"'{first.node}' ({first.kind}): "
    return f"{where}{first.reason}{more}"


def _cut(rows: list[tuple[str, ...]], columns: int) -> list[tuple[str, ...]]:
    left = len(rows) - _SHOWN
    return rows if left <= 0 else [*rows[:_SHOWN], (f"and {left} more", *[""] * (columns - 1))]


def _table(headings: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> Table:
    table = Table(*headings, box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0))
    for row in rows:
        table.add_row(*row)
    return table
