"""Accuracy of a classifier and of its spiking networks, on the same images."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from typing import NamedTuple

import numpy as np
import torch
from rich.table import Table

from converters.pipeline import convert_module
from deploy.measure.metrics import output_cosine
from targets.closed_form import ClosedForm

BATCH = 50
Head = Callable[[np.ndarray], np.ndarray]


class Case(NamedTuple):
    """T, B (None: chosen on calibration data) and precision of a conversion; spikes, most per value."""

    timesteps: int
    base: float | None
    precision: str
    spikes: int = 1


def in_batches(run: Callable[[torch.Tensor], torch.Tensor], images: np.ndarray) -> tuple[np.ndarray, float]:
    """Outputs (N, features) of images (N, ...), and seconds per image."""
    begin = time.perf_counter()
    with torch.inference_mode():
        parts = [run(torch.from_numpy(images[i : i + BATCH])) for i in range(0, len(images), BATCH)]
    return torch.cat(parts).float().numpy().reshape(len(images), -1), (time.perf_counter() - begin) / len(images)


def accuracy_table(
    title: str,
    model: torch.nn.Module,
    calibration: np.ndarray,
    images: np.ndarray,
    labels: np.ndarray,
    cases: Iterable[Case],
    head: Head | None = None,
) -> Table:
    """Original and spiking, one row per case; images are (N, channels, height, width).

    Args:
        head: class scores of the model's outputs, where these are features.
    """
    head = head or (lambda outputs: outputs)
    columns = ("network", "output cosine", "accuracy", "same answer", "ms per image")
    table = Table(*columns, title=f"{title}, {len(images):,} images", title_justify="left")

    def add(name: str, outputs: np.ndarray, seconds: float) -> None:
        guess = head(outputs).argmax(1)
        cosine, same = output_cosine(outputs, wanted), float((guess == predicted).mean())
        accuracy = float((guess == labels).mean())
        table.add_row(name, f"{cosine:.4f}", f"{accuracy:.2%}", f"{same:.2%}", f"{1000 * seconds:.1f}")

    wanted, seconds = in_batches(model, images)
    predicted = head(wanted).argmax(1)
    add("original", wanted, seconds)
    for case in cases:
        fixed = case.precision == "fixed"
        conversion = convert_module(
            model, [calibration], case.timesteps, case.base, spikes=case.spikes, input_spikes=case.spikes, fixed=fixed
        )
        runner = ClosedForm(conversion.network)
        name = f"{case.precision}, T = {case.timesteps}, {case.spikes} spike(s), B = {conversion.network.about['base']}"
        add(name, *in_batches(lambda x, r=runner: r.real(r.run(x)), images))
    return table
