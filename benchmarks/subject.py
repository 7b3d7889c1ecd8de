"""A trained model with the data that it is converted on and judged by, and what is measured of its spiking networks."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np
import torch
from rich.table import Table

from benchmarks.probe import Head
from converters.ingredients import ALL, Ingredients
from converters.pipeline import convert_module, network_input
from deploy.measure.metrics import accuracy, agreement, output_cosine, relative_error
from evaluator.closed_form import ClosedForm, fired
from processes.batches import slices
from processes.operation import Operation, Result

BATCH = 50
Pool = Callable[[np.ndarray, Sequence[np.ndarray]], np.ndarray]


class Case(NamedTuple):
    """A conversion: T, most spikes per value (None: chosen within a budget), arithmetic, B (None: chosen), ..."""

    timesteps: int
    spikes: int | None = 1
    precision: str = "fixed"
    base: float | None = None
    input_spikes: int = 2
    ingredients: Ingredients = ALL


class Measured(NamedTuple):
    """Of a network on the evaluation samples.

    Attributes:
        cosine: of its features to the original's, mean over samples.
        accuracy: of the head's answers, a fraction.
        same: fraction of answers that are the original's.
        spikes: sent per sample.
        seconds: per sample.
    """

    cosine: float
    accuracy: float
    same: float
    spikes: float
    seconds: float


def flat(outputs: np.ndarray, arguments: Sequence[np.ndarray]) -> np.ndarray:
    """Features (N, D) are all outputs of a sample."""
    return outputs.reshape(len(outputs), -1)


def itself(features: np.ndarray) -> np.ndarray:
    """Class scores that are the model's outputs."""
    return features


def in_batches(
    run: Callable[..., torch.Tensor], inputs: Sequence[np.ndarray], arguments: Sequence[np.ndarray], pool: Pool = flat
) -> tuple[np.ndarray, float]:
    """Features (N, D) of what ``run`` makes of ``inputs``, and seconds per sample; ``arguments`` are the model's."""
    begin, parts = time.perf_counter(), []
    with torch.inference_mode():
        for rows in slices(len(inputs[0]), BATCH):
            outputs = run(*(torch.from_numpy(values[rows]) for values in inputs))
            parts.append(pool(outputs.float().numpy(), [values[rows] for values in arguments]))
    return np.concatenate(parts), (time.perf_counter() - begin) / len(inputs[0])


@dataclass
class Subject:
    """What is converted, on which samples, and how the outputs are judged.

    Attributes:
        name: for titles.
        module: trained, in evaluation mode.
        calibration, evaluation: the module's arguments, (N, ...) each; no sample is in both.
        labels: of the evaluation samples (N,).
        head: class scores of features.
        pool: features of outputs.
    """

    name: str
    module: torch.nn.Module
    calibration: Sequence[np.ndarray]
    evaluation: Sequence[np.ndarray]
    labels: np.ndarray
    head: Head = itself
    pool: Pool = flat

    @cached_property
    def wanted(self) -> tuple[np.ndarray, float]:
        """Features of the original, and seconds per sample."""
        return in_batches(self.module, self.evaluation, self.evaluation, self.pool)

    def error(self, features: np.ndarray) -> float:
        """Of features (N, D) relative to the original's, by the Euclidean norm."""
        error = relative_error(features, self.wanted[0])
        assert error is not None, "all outputs of the original are zero"
        return error

    def original(self) -> Measured:
        """The trained model itself."""
        features, seconds = self.wanted
        return Measured(1.0, accuracy(self.head(features), self.labels), 1.0, 0.0, seconds)

    def measure(self, case: Case) -> Measured:
        """Convert, and run all evaluation samples in the closed form.

        Raises:
            DeployError: the model cannot be converted so.
        """
        conversion = convert_module(
            self.module, self.calibration, case.timesteps, case.base, spikes=case.spikes,
            input_spikes=case.input_spikes, fixed=case.precision == "fixed", ingredients=case.ingredients,
        )  # fmt: skip
        runner, sent = ClosedForm(conversion.network), 0

        def count(name: str, op: Operation, result: Result) -> None:
            nonlocal sent
            sent += fired(op, result.values)

        samples = network_input(conversion.front, self.evaluation)
        features, seconds = in_batches(
            lambda x: runner.real(runner.run(x, count)), [samples], self.evaluation, self.pool
        )
        scores, wanted = self.head(features), self.wanted[0]
        return Measured(
            output_cosine(features, wanted), accuracy(scores, self.labels), agreement(scores, self.head(wanted)),
            sent / len(samples), seconds,
        )  # fmt: skip


def table(subject: Subject, cases: Iterable[Case]) -> Table:
    """Original and spiking, one row per case."""
    columns = ("network", "cosine", "accuracy", "same answer", "spikes per sample", "ms per sample")
    title = f"{subject.name}, {len(subject.labels):,} samples"
    found = Table(*columns, title=title, title_justify="left")

    def add(name: str, row: Measured) -> None:
        numbers = (f"{row.cosine:.5f}", f"{row.accuracy:.2%}", f"{row.same:.2%}", f"{row.spikes:,.0f}")
        found.add_row(name, *numbers, f"{1000 * row.seconds:.1f}")

    add("original", subject.original())
    for case in cases:
        base = "" if case.base is None else f", B = {case.base}"
        add(f"{case.precision}, T = {case.timesteps}, {case.spikes} spike(s){base}", subject.measure(case))
    return found
