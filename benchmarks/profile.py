"""Profiles the closed form by kind of operation, beside the operations of the trained model that they replace.

    python -m benchmarks.profile
    python -m benchmarks.profile --float --model swin_tiny_patch4_window7_224 --batch 8

Milliseconds are processor time of all threads, spinning ones included, which other work on the machine disturbs least.
Bytes count all operands and results once: the least memory traffic, if nothing is read twice.
"""

from __future__ import annotations

import statistics
import time
from collections import defaultdict
from dataclasses import dataclass, field
from typing import Annotated

import numba
import torch
import typer
from rich.console import Console
from rich.table import Table

from benchmarks.closed_form import PLAIN, subject
from converters.pipeline import convert_module
from evaluator.closed_form import ClosedForm
from processes.operation import Operation, Result

CALIBRATED = 16  # calibration samples; few suffice, as running times hardly depend on scales


@dataclass
class Timed(ClosedForm):
    """A closed form that adds up the time and memory traffic of each kind of operation.

    Attributes:
        seconds: processor time by operation. moved: bytes of operands and results. nodes: how many were evaluated.
    """

    seconds: dict[str, float] = field(default_factory=lambda: defaultdict(float))
    moved: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    nodes: dict[str, int] = field(default_factory=lambda: defaultdict(int))

    def _evaluate(self, op: Operation, operands: list[torch.Tensor]) -> Result:
        begin = time.process_time()
        result = super()._evaluate(op, operands)
        self.seconds[op.name] += time.process_time() - begin
        self.moved[op.name] += sum(t.nbytes for t in (*operands, result.values))
        self.nodes[op.name] += 1
        return result


def main(
    model: Annotated[str, typer.Option(help="demo, or a timm model (random weights) for 224 x 224 pixels.")] = "demo",
    batch: Annotated[int, typer.Option(help="Images at a time.")] = 64,
    rounds: Annotated[int, typer.Option(help="Runs of each, in turn; medians count.")] = 9,
    timesteps: Annotated[int, typer.Option(help="T, steps of a window.")] = 40,
    base: Annotated[float, typer.Option(help="B, ratio of neighbouring levels.")] = 1.15,
    spikes: Annotated[int, typer.Option(help="Most spikes of a neuron in a window.")] = 1,
    fixed: Annotated[bool, typer.Option("--fixed/--float", help="Arithmetic of the network.")] = True,
    threads: Annotated[int, typer.Option(help="Threads of every run; 0 for as many as there are cores.")] = 0,
) -> None:
    """Time the operations of a closed form, those of the network that it stands for, and the model itself, in turn."""
    module, calibration, images = subject(model, batch)
    conversion = convert_module(
        module, [calibration[:CALIBRATED]], timesteps, base, spikes=spikes, batch=4, ingredients=PLAIN, fixed=fixed
    )
    if threads:
        torch.set_num_threads(threads)
        numba.set_num_threads(threads)
    x, spent, ideals, originals = torch.from_numpy(images), [], [], []
    for number in range(rounds + 1):
        runs = Timed(conversion.network), Timed(conversion.ideal, ideal=True)
        begin = time.process_time()
        with torch.inference_mode():
            module(x)
        took = time.process_time() - begin
        for run in runs:
            run.run(x)
        if number:  # the first round compiles and fills caches
            originals.append(took)
            spent.append(runs[0])
            ideals.append(runs[1])

    def milliseconds(of: list[Timed], name: str) -> float:
        return 1000 * statistics.median(run.seconds.get(name, 0.0) for run in of)

    total = 1000 * statistics.median(sum(run.seconds.values()) for run in spent)
    arithmetic = "fixed" if fixed else "floating"
    table = Table(
        "operation", "nodes", "ms", "share", "MB", "ms in plain PyTorch",
        title=f"{model}, batch {batch}, {arithmetic} point",
    )  # fmt: skip
    for column in table.columns[1:]:
        column.justify = "right"
    names = sorted(spent[0].nodes, key=lambda name: -milliseconds(spent, name))
    for name in names:
        own, plain = milliseconds(spent, name), milliseconds(ideals, name)
        table.add_row(
            name, str(spent[0].nodes[name]), f"{own:.1f}", f"{own / total:.1%}", f"{spent[0].moved[name] / 1e6:.0f}",
            f"{plain:.1f}",
        )  # fmt: skip
    ratios = [sum(run.seconds.values()) / original for run, original in zip(spent, originals, strict=True)]
    table.add_section()
    table.add_row(
        "all", str(sum(spent[0].nodes.values())), f"{total:.1f}", "", f"{sum(spent[0].moved.values()) / 1e6:.0f}",
        f"{1000 * statistics.median(sum(run.seconds.values()) for run in ideals):.1f}",
    )  # fmt: skip
    console = Console()
    console.print(table)
    console.print(
        f"The model itself: {1000 * statistics.median(originals):.1f} ms; the closed form: {statistics.median(ratios):.2f} "
        f"times as long; {torch.get_num_threads()} threads, medians of {rounds} rounds"
    )


if __name__ == "__main__":
    typer.run(main)
