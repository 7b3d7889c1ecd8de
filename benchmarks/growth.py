"""Measures how the closed form's cost grows with T, spikes, tokens and width, beside the original's, in one run.

    python -m benchmarks.growth
    python -m benchmarks.growth --batch 4 --rounds 5

The model is a vision transformer of four blocks with random weights; each row changes one quantity. Milliseconds are
the processor time of all threads per image, medians of the rounds. Rows are run in turn, so that a drifting machine
favours none of them.
"""

from __future__ import annotations

import functools
import statistics
import time
from collections.abc import Callable
from typing import Annotated, NamedTuple

import numpy as np
import timm
import torch
import typer
from rich.console import Console
from rich.table import Table

from benchmarks.closed_form import PLAIN
from converters.pipeline import convert_module
from evaluator.closed_form import ClosedForm

BASES = {8: 1.8, 16: 1.4, 40: 1.15, 80: 1.07}
"""Base B by T, chosen so that a code's largest level is 60 to 230 times its smallest."""


class Row(NamedTuple):
    """A configuration to be timed: T, most spikes of a neuron, number of tokens (a square) and width."""

    steps: int = 40
    spikes: int = 1
    tokens: int = 64
    width: int = 192


ROWS = (
    Row(), Row(steps=8), Row(steps=16), Row(steps=80), Row(spikes=2), Row(spikes=3), Row(tokens=144), Row(tokens=256),
    Row(width=96), Row(width=384),
)  # fmt: skip


def model(row: Row) -> tuple[torch.nn.Module, int]:
    """(vision transformer, side length of its images in pixels), with patches of 8 x 8 pixels."""
    torch.manual_seed(0)
    side = 8 * round(row.tokens**0.5)
    return timm.create_model(
        "vit_tiny_patch16_224", img_size=side, patch_size=8, embed_dim=row.width, num_heads=row.width // 32, depth=4,
        class_token=False, global_pool="avg",
    ).eval(), side  # fmt: skip


def runs(row: Row, batch: int) -> dict[str, Callable[[], object]]:
    """Functions to be timed, by name: the original and the closed forms in floating and fixed point, on one batch."""
    module, side = model(row)
    rng = np.random.default_rng(0)
    calibration, images = (rng.random((n, 3, side, side), np.float32) for n in (8, batch))
    made = convert_module(module, [calibration], row.steps, BASES[row.steps], spikes=row.spikes, ingredients=PLAIN)
    assert made.fixed is not None
    x = torch.from_numpy(images)

    def original() -> None:
        with torch.inference_mode():
            module(x)

    forms = {"floating point": made.calibrated.kept(), "fixed point": made.fixed}
    return {"original": original, **{name: functools.partial(ClosedForm(net).run, x) for name, net in forms.items()}}


def main(
    batch: Annotated[int, typer.Option(help="Images at a time.")] = 16,
    rounds: Annotated[int, typer.Option(help="Runs of each, in turn; medians count.")] = 7,
) -> None:
    """Time the original and its closed forms, with one thing changed at a time."""
    timed = {row: runs(row, batch) for row in ROWS}
    spent: dict[tuple[Row, str], list[float]] = {(row, name): [] for row, named in timed.items() for name in named}
    for number in range(rounds + 1):
        for (row, name), seconds in spent.items():
            begin = time.process_time()
            timed[row][name]()
            if number:  # the first round compiles and fills caches
                seconds.append(time.process_time() - begin)
    milliseconds = {key: 1000 * statistics.median(seconds) / batch for key, seconds in spent.items()}
    names = list(timed[ROWS[0]])
    table = Table("T", "spikes", "tokens", "width", *(f"{name}, ms" for name in names), "times the original")
    for row in ROWS:
        own = [milliseconds[row, name] for name in names]
        table.add_row(*map(str, row), *(f"{ms:.2f}" for ms in own), ", ".join(f"{ms / own[0]:.2f}" for ms in own[1:]))
    Console().print(table)


if __name__ == "__main__":
    typer.run(main)
