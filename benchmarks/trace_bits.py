"""Measures the effect of the width of synaptic traces: the demo's output errors in integers, all traces equally wide.

    python -m benchmarks.trace_bits

Narrower traces leave room for sums that cannot saturate, whatever the order of arrival (docs/design.md, Fixed point).
The network is converted in floating point once for each number of spikes, and discretised for each width.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from benchmarks.latency import demo_subject
from benchmarks.subject import Subject, in_batches
from converters.discretise import discretise
from converters.pipeline import Conversion, convert_module, network_input
from evaluator.closed_form import ClosedForm
from processes.chips import LOIHI2


def error(subject: Subject, made: Conversion, bits: int) -> float:
    """Relative error of the outputs of a conversion discretised with traces of ``bits`` bits."""
    assert made.calibrated is not None
    chip = replace(LOIHI2, trace_bits=bits, least_trace_bits=bits)
    runner = ClosedForm(discretise(made.calibrated, network_input(made.front, subject.calibration), chip))
    samples = network_input(made.front, subject.evaluation)
    found, _ = in_batches(lambda x: runner.real(runner.run(x)), [samples], subject.evaluation, subject.pool)
    return subject.error(found)


def main(
    widths: Annotated[str, typer.Option(help="Bits of all traces.")] = "12,11,10,9,8",
    samples: Annotated[int, typer.Option(help="Evaluation samples.")] = 1000,
    calibration: Annotated[int, typer.Option(help="Samples that set the scales.")] = 256,
    timesteps: Annotated[int, typer.Option(help="T, steps of a window.")] = 40,
) -> None:
    """A row for each width, a column for one to three spikes of a neuron."""
    subject = demo_subject(samples, calibration)
    made = [
        convert_module(subject.module, subject.calibration, timesteps, spikes=n, input_spikes=max(n, 2), fixed=False)
        for n in (1, 2, 3)
    ]
    table = Table("bits", "1 spike", "2 spikes", "3 spikes", title=f"the demo, T = {timesteps}, {samples:,} images")
    for bits in map(int, widths.split(",")):
        table.add_row(str(bits), *(f"{error(subject, each, bits):.4f}" for each in made))
    Console().print(table)


if __name__ == "__main__":
    typer.run(main)
