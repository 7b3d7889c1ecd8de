"""Steps of the whole path at equal agreement with the original: one T for all layers, and a T for each layer.

    python -m benchmarks.latency
    python -m benchmarks.latency --subject minilm --steps 8,12,16,24,32,40

Two spikes, fixed point, a base for each layer. For every limit on the path, which is what a common T takes, a T is chosen for
each layer. What is compared at equal steps is how often predictions agree (the cosine, of embeddings) and the error of the
outputs; the last column interpolates the steps that a common T would need for the same error.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Annotated, NamedTuple

import numpy as np
import typer
from rich.console import Console
from rich.table import Table

from benchmarks import minilm, swin_fashion
from benchmarks.subject import Subject, in_batches
from converters.pipeline import Conversion, convert_module, network_input
from deploy import demo
from deploy.measure.metrics import agreement, output_cosine
from evaluator.closed_form import ClosedForm
from evaluator.timeline import timeline


def demo_subject(samples: int, calibration: int) -> Subject:
    """The bundled model and images."""
    fit, (x, labels) = demo.calibration_data()[0][:calibration], demo.evaluation_data()
    return Subject("demo", demo.load_model(), [fit], [x[:samples]], labels[:samples])


SUBJECTS: dict[str, Callable[[int, int], Subject]] = {
    "demo": demo_subject, "swin": swin_fashion.subject, "minilm": minilm.subject,
}  # fmt: skip


class Row(NamedTuple):
    """A conversion: T, steps of its path, agreement or cosine, relative error of the outputs, seconds to convert."""

    windows: str
    steps: int
    agreement: float
    error: float
    seconds: float


def measured(subject: Subject, name: str, steps: int | None, limit: int | None) -> Row:
    """Convert at a common T, or within a limit, and run all evaluation samples in the closed form."""
    begin = time.perf_counter()
    made = convert_module(subject.module, subject.calibration, steps, spikes=2, input_spikes=2, latency=limit)
    seconds = time.perf_counter() - begin
    features, wanted = outputs(subject, made), subject.wanted[0]
    if subject.name == "demo" or subject.labels.max() > 1:
        same = agreement(subject.head(features), subject.head(wanted))
    else:
        same = output_cosine(features, wanted)
    error = float(np.linalg.norm(features - wanted) / np.linalg.norm(wanted))
    if steps is None:
        chosen = sorted(site.steps or 0 for site in (made.tuning.sites.values() if made.tuning else ()))
        name = f"{chosen[0]} to {chosen[-1]}"
    return Row(name, timeline(made.network).period, same, error, seconds)


def outputs(subject: Subject, made: Conversion) -> np.ndarray:
    """Features of the spiking network, (N, D)."""
    runner = ClosedForm(made.network)
    samples = network_input(made.front, subject.evaluation)
    return in_batches(lambda x: runner.real(runner.run(x)), [samples], subject.evaluation, subject.pool)[0]


def main(
    subject: Annotated[str, typer.Option(help="demo, swin or minilm.")] = "demo",
    steps: Annotated[str, typer.Option(help="T that all layers have in common, ascending.")] = "8,10,12,16,20,24,32,40",
    samples: Annotated[int, typer.Option(help="Evaluation samples.")] = 1000,
    calibration: Annotated[int, typer.Option(help="Samples that set the scales.")] = 256,
) -> None:
    """A table for each: one T, and a T for each layer within the same number of steps."""
    what = SUBJECTS[subject](samples, calibration)
    common = [measured(what, f"T = {t}", int(t), None) for t in steps.split(",")]
    own = [measured(what, "", None, row.steps) for row in common]
    found = Table("windows", "steps", "agreement", "relative error", "seconds", "common T would need", title=what.name)
    for row in [*common, *own]:
        needed = ""
        if row in own:
            # errors fall about as a power of the steps
            known = np.log([[each.error, each.steps] for each in reversed(common)])
            at = np.exp(np.interp(np.log(row.error), known[:, 0], known[:, 1]))
            needed = f"{at:,.0f} ({row.steps / at:.2f})"
        found.add_row(
            row.windows, f"{row.steps:,}", f"{row.agreement:.4f}", f"{row.error:.4f}", f"{row.seconds:.0f}", needed
        )
    Console(width=120).print(found)


if __name__ == "__main__":
    typer.run(main)
