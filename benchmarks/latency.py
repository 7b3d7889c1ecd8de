"""Steps of the whole path at equal agreement with the original: one T for all layers, and a T for each layer.

    python -m benchmarks.latency
    python -m benchmarks.latency --spikes 2
    python -m benchmarks.latency --subject minilm --steps 8,12,16,24,32,40

Fixed point, a base for each layer; one T for all with two spikes. For every limit on the path, which is what that takes, a T is
chosen for each layer, and with it how many spikes its values may take (``--spikes auto``, no more in all than two for each),
or two as well (``--spikes 2``). What is compared at equal steps is how often predictions agree (the cosine, of embeddings),
the error of the outputs, and the spikes that are sent; the last column interpolates the steps that a common T would need for
the same error. The column before says how many of all windows' steps there are up to the last one at which any neuron of a
stage fires: what could be saved by ending windows early.
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
    """The bundled model and images."""
    fit, (x, labels) = demo.calibration_data()[0][:calibration], demo.evaluation_data()
    return Subject("demo", demo.load_model(), [fit], [x[:samples]], labels[:samples])


SUBJECTS: dict[str, Callable[[int, int], Subject]] = {
    "demo": demo_subject, "swin": swin_fashion.subject, "minilm": minilm.subject,
}  # fmt: skip


class Row(NamedTuple):
    """A conversion: T, steps of its path, agreement or cosine, relative error of the outputs, spikes a sample, used share of
    its windows, seconds to convert.
    """

    windows: str
    steps: int
    agreement: float
    error: float
    spikes: float
    used: float
    seconds: float


def measured(subject: Subject, name: str, steps: int | None, limit: int | None, spikes: int | None = 2) -> Row:
    """Convert at a common T, or within a limit, and run all evaluation samples in the closed form."""
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
    """Features of the spiking network, (N, D), spikes a sample, and the share of its windows' steps until nothing of their
    stages fires.
    """
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
    """Steps at which one T for all would err so much, interpolated: errors fall about as a power of the steps."""
    known = np.log([[row.error, row.steps] for row in sorted(common, key=lambda row: row.error)])
    return float(np.exp(np.interp(np.log(error), known[:, 0], known[:, 1])))


def _line(row: Row, needed: str) -> str:
    found = f"{row.windows:>10} {row.steps:6,} {row.agreement:.4f} {row.error:.4f} {row.spikes:9,.0f} {row.used:.2%}"
    return f"{found} ({row.seconds:.0f} s) {needed}"


if __name__ == "__main__":
    typer.run(main)
