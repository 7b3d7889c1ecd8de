"""Compares the latency and error of conversions with one T for all layers and with a T for each layer.

    python -m benchmarks.latency
    python -m benchmarks.latency --spikes 2
    python -m benchmarks.latency --subject minilm --steps 8,12,16,24,32,40

Conversions are in fixed point, with a base for each layer. First the model is converted with one T for all layers and
two spikes, for every T in --steps. The steps that each of these takes from input to output are then the limit of a
conversion that chooses a T for each layer, and with it how many spikes its values may take (``--spikes auto``, in all
no more than two each) or two as well (``--spikes 2``). Columns: the agreement of predictions with the original's (for
embeddings, the cosine), the relative error of the outputs, spikes per sample, and ``used``, the share of the windows'
steps up to the last one at which any neuron of a stage fires; the others could be saved by ending windows early. The
last column interpolates the steps that a common T would need for the same error.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Annotated, NamedTuple

import numpy as np
import torch
import typer
from rich.console import Console

from benchmarks import minilm, swin_fashion
from benchmarks.subject import Subject, in_batches
from converters.pipeline import Conversion, convert_module, network_input
from deploy import demo
from deploy.measure.metrics import agreement, output_cosine
from deploy.options.declare import read_spikes
from evaluator.closed_form import ClosedForm, fired
from evaluator.timeline import timeline
from processes.operation import Operation, Result


def demo_subject(samples: int, calibration: int) -> Subject:
    """The bundled vision transformer, its first calibration images, and the first evaluation images."""
    fit, (x, labels) = demo.calibration_data()[0][:calibration], demo.evaluation_data()
    return Subject("demo", demo.load_model(), [fit], [x[:samples]], labels[:samples])


SUBJECTS: dict[str, Callable[[int, int], Subject]] = {
    "demo": demo_subject, "swin": swin_fashion.subject, "minilm": minilm.subject,
}  # fmt: skip


class Row(NamedTuple):
    """Figures of one conversion.

    Attributes:
        windows: T, or the range of T of its layers.
        steps: time steps from input to output.
        agreement: with the original's predictions, or the cosine of embeddings.
        error: relative error of the outputs.
        spikes: per sample.
        used: share of the windows' steps up to the last spike of a stage.
        seconds: of the conversion.
    """

    windows: str
    steps: int
    agreement: float
    error: float
    spikes: float
    used: float
    seconds: float


def measured(subject: Subject, name: str, steps: int | None, limit: int | None, spikes: int | None = 2) -> Row:
    """Convert with a common T (``steps``) or within a ``limit`` of steps, and run all evaluation samples."""
    begin = time.perf_counter()
    made = convert_module(subject.module, subject.calibration, steps, spikes=spikes, input_spikes=2, latency=limit)
    seconds = time.perf_counter() - begin
    (features, sent, used), wanted = outputs(subject, made), subject.wanted[0]
    if subject.name == "demo" or subject.labels.max() > 1:
        same = agreement(subject.head(features), subject.head(wanted))
    else:
        same = output_cosine(features, wanted)
    if steps is None:
        chosen = sorted(site.steps or 0 for site in (made.tuning.sites.values() if made.tuning else ()))
        name = f"{chosen[0]} to {chosen[-1]}"
    return Row(name, timeline(made.network).period, same, subject.error(features), sent, used, seconds)


def outputs(subject: Subject, made: Conversion) -> tuple[np.ndarray, float, float]:
    """(features (N, D) of the closed form, spikes per sample, used share of the windows' steps)."""
    runner, begins = ClosedForm(made.network), timeline(made.network).windows
    windows: dict[int, int] = {}
    ends: dict[int, torch.Tensor] = {}
    used = sent = 0

    def look(name: str, op: Operation, result: Result) -> None:
        nonlocal sent
        sent += fired(op, result.values)
        if op.fires and not op.passes_on:
            stage, last = begins[name].start, result.values.abs().flatten(2).amax((0, 2))  # codes: step + 1
            windows[stage] = max(windows.get(stage, 0), made.network.code(name).steps)
            ends[stage] = torch.maximum(ends[stage], last) if stage in ends else last

    def run(x: torch.Tensor) -> torch.Tensor:
        nonlocal used
        ends.clear()
        found = runner.real(runner.run(x, look))
        used += sum(int(last.sum()) for last in ends.values())
        return found

    samples = network_input(made.front, subject.evaluation)
    features, _ = in_batches(run, [samples], subject.evaluation, subject.pool)
    return features, sent / len(samples), used / (len(samples) * sum(windows.values()))


def main(
    subject: Annotated[str, typer.Option(help="demo, swin or minilm.")] = "demo",
    steps: Annotated[str, typer.Option(help="T that all layers have in common, ascending.")] = "8,10,12,16,20,24,32,40",
    samples: Annotated[int, typer.Option(help="Evaluation samples.")] = 1000,
    calibration: Annotated[int, typer.Option(help="Samples that set the scales.")] = 256,
    spikes: Annotated[str, typer.Option(help="Where T is chosen by layer: auto, or the most for each value.")] = "auto",
) -> None:
    """A row for each: one T, then a T for each layer within the same number of steps."""
    most = read_spikes(spikes)
    what = SUBJECTS[subject](samples, calibration)
    console = Console(highlight=False)
    console.print(
        f"{what.name}, {len(what.labels):,} samples; windows, steps, agreement, relative error, spikes, used, common T needs"
    )
    common: list[Row] = []
    for t in map(int, steps.split(",")):
        common.append(measured(what, f"T = {t}", t, None))
        console.print(_line(common[-1], ""))
    for limit in [row.steps for row in common]:
        row = measured(what, "", None, limit, None if most == "auto" else most)
        needed = steps_for(row.error, common)
        console.print(_line(row, f"{needed:,.0f} steps: {row.steps / needed:.2f} of them"))


def steps_for(error: float, common: Sequence[Row]) -> float:
    """Steps at which one T for all layers would have this error, by log-log interpolation of ``common``."""
    known = np.log([[row.error, row.steps] for row in sorted(common, key=lambda row: row.error)])
    return float(np.exp(np.interp(np.log(error), known[:, 0], known[:, 1])))


def _line(row: Row, needed: str) -> str:
    """A row as a line of text, ending with ``needed``."""
    found = f"{row.windows:>10} {row.steps:6,} {row.agreement:.4f} {row.error:.4f} {row.spikes:9,.0f} {row.used:.2%}"
    return f"{found} ({row.seconds:.0f} s) {needed}"


if __name__ == "__main__":
    typer.run(main)
