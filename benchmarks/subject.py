"""A trained model with its calibration and evaluation data, and the figures measured of its spiking networks."""

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
"""Samples that are run together."""
Pool = Callable[[np.ndarray, Sequence[np.ndarray]], np.ndarray]
"""(outputs (N, ...), the model's arguments) -> features (N, D)."""


class Case(NamedTuple):
    """A conversion to be measured.

    Attributes:
        timesteps: T.
        spikes: most spikes per value; None chooses them within a budget.
        precision: "float" or "fixed".
        base: B for all layers; None chooses it.
        input_spikes: most spikes per value of the input.
        ingredients: parts of the conversion that are used.
    """

    timesteps: int
    spikes: int | None = 1
    precision: str = "fixed"
    base: float | None = None
    input_spikes: int = 2
    ingredients: Ingredients = ALL


class Measured(NamedTuple):
    """Figures of a network on the evaluation samples.

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
    """Pool that takes all outputs of a sample as its features, (N, D)."""
    return outputs.reshape(len(outputs), -1)


def itself(features: np.ndarray) -> np.ndarray:
    """Head of a classifier, whose features are the class scores."""
    return features


def in_batches(
    run: Callable[..., torch.Tensor], inputs: Sequence[np.ndarray], arguments: Sequence[np.ndarray], pool: Pool = flat
) -> tuple[np.ndarray, float]:
    """Run ``inputs`` in batches; (features (N, D), seconds per sample). ``pool`` gets the model's own ``arguments``."""
    begin, parts = time.perf_counter(), []
    with torch.inference_mode():
        for rows in slices(len(inputs[0]), BATCH):
            outputs = run(*(torch.from_numpy(values[rows]) for values in inputs))
            parts.append(pool(outputs.float().numpy(), [values[rows] for values in arguments]))
    return np.concatenate(parts), (time.perf_counter() - begin) / len(inputs[0])


@dataclass
class Subject:
    """A trained model, its samples, and how its outputs are judged.

    Attributes:
        name: for titles.
        module: trained, in evaluation mode.
        calibration, evaluation: the module's arguments, (N, ...) each; no sample is in both.
        labels: of the evaluation samples, (N,).
        head: makes class scores from features.
        pool: makes features from outputs.
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
        """(features (N, D) of the original, seconds per sample), computed once."""
        return in_batches(self.module, self.evaluation, self.evaluation, self.pool)

    def error(self, features: np.ndarray) -> float:
        """Relative error of features (N, D) to the original's, by Euclidean norms."""
        error = relative_error(features, self.wanted[0])
        assert error is not None, "all outputs of the original are zero"
        return error

    def original(self) -> Measured:
        """Figures of the trained model itself."""
        features, seconds = self.wanted
        return Measured(1.0, accuracy(self.head(features), self.labels), 1.0, 0.0, seconds)

    def measure(self, case: Case) -> Measured:
        """Convert, and run all evaluation samples in the closed form.

        Raises:
            DeployError: the model cannot be converted with these options.
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
    """Measure the original and every case, and return a table with a row for each."""
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
