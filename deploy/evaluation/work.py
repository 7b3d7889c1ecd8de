"""One batch of an evaluation: what a worker process does, wherever it runs."""

from __future__ import annotations

import functools
import json
import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch

from converters.front_end import FrontEnd
from converters.pipeline import front_end, network_input
from deploy import measure
from deploy.output import GRAPH, REPORT
from deploy.sources import LoadedModel, load_model
from evaluator.closed_form import ClosedForm
from evaluator.compare import compare
from evaluator.network_file import read
from targets import registry

ALONE = threading.Lock()
"""Batches of one process follow each other: the kernels' thread pool takes one caller at a time."""


@dataclass(frozen=True)
class Job:
    """What all batches of an evaluation have in common; workers read it from the conversion's folder themselves."""

    folder: Path
    target: str
    granularity: str
    classes: bool


@dataclass
class Batch:
    """What one batch gave; arrays have a value per sample, counts are sums over its samples.

    Attributes:
        original, spiking: predicted classes, int64; empty where outputs are not class scores.
        cosine: of the spiking output with the original's, float64.
        squared_error, squared_norm: of the outputs' difference and of the original's output, float64.
        counts: spikes, saturations, compared_spikes, mismatches, ...
        seconds: of the original and of the target.
        first: the first neuron in which a stepped target differed from the closed form, if one did.
    """

    original: np.ndarray
    spiking: np.ndarray
    cosine: np.ndarray
    squared_error: np.ndarray
    squared_norm: np.ndarray
    counts: dict[str, int] = field(default_factory=dict)
    seconds: dict[str, float] = field(default_factory=dict)
    first: str = ""

    ARRAYS = ("original", "spiking", "cosine", "squared_error", "squared_norm")

    def save(self, path: Path) -> None:
        """Whole or not at all."""
        rest = json.dumps({"counts": self.counts, "seconds": self.seconds, "first": self.first})
        unfinished = path.with_suffix(".part")
        with unfinished.open("wb") as file:
            np.savez(file, rest=np.array(rest), **{name: getattr(self, name) for name in self.ARRAYS})
        unfinished.replace(path)

    @classmethod
    def load(cls, path: Path) -> Batch:
        """What :meth:`save` wrote."""
        with np.load(path) as saved:
            return cls(**{name: saved[name] for name in cls.ARRAYS}, **json.loads(str(saved["rest"])))


class _Worker:
    """The model and the network, loaded once in a process."""

    def __init__(self, folder: Path) -> None:
        options = json.loads((folder / REPORT).read_text(encoding="utf-8"))["options"]
        self.model: LoadedModel = load_model(options["model"], options.get("weights"), options.get("seed", 0))
        self.network = read(folder / GRAPH, tried=True)  # Dask's workers may have no children
        self.front: FrontEnd | None = None

    def input_of(self, arguments: Sequence[np.ndarray]) -> np.ndarray:
        """The spiking network's input."""
        if np.issubdtype(arguments[0].dtype, np.integer) or len(arguments) > 1:
            self.front = self.front or front_end(self.model.module, arguments)[1]
        return network_input(self.front, arguments)


_worker = functools.lru_cache(maxsize=1)(_Worker)


def run_batch(job: Job, arguments: Sequence[np.ndarray]) -> Batch:
    """The model's arguments (N, ...) of a batch through the original and through the target.

    One thread whatever the number of workers, because sums in floating point depend on the number of threads.
    """
    with ALONE:
        torch.set_num_threads(1)
        # where an array lies decides in which order its sums are vectorised: always at the start of a cache line
        arguments = [torch.tensor(argument).numpy() for argument in arguments]
        worker = _worker(job.folder)
        original = measure.ann_outputs(
            worker.model.module, dict(zip(worker.model.inputs, arguments, strict=True)), 2**31
        )
        samples = worker.input_of(arguments)
        if job.target == "closed-form":
            measured = measure.evaluate(ClosedForm(worker.network), samples, len(samples))
            counts = {"spikes": sum(measured.spikes.values()), "saturations": sum(measured.saturations.values())}
            return _batch(job, original, measured.outputs, measured.seconds_per_sample, counts)
        run = registry()[job.target].run(worker.network, samples, job.granularity, None)
        found = compare(worker.network, samples, run)
        counts = {
            "compared_spikes": found.compared_spikes, "compared_potentials": found.compared_potentials,
            "mismatches": found.mismatches, "ties": found.ties,
            "spikes": sum(int(np.count_nonzero(v)) for name, v in run.values.items() if worker.network[name].fires),
        }  # fmt: skip
        runner = ClosedForm(worker.network, torch.float64)
        outputs = runner.real(torch.from_numpy(run.outputs)).float().numpy()
        return _batch(job, original, outputs, run.seconds_per_sample, counts, found.first or "")


def _batch(
    job: Job, original: measure.Outputs, outputs: np.ndarray, seconds: float, counts: dict[str, int], first: str = ""
) -> Batch:
    wanted, found = (y.reshape(len(y), -1).astype(np.float64) for y in (original.outputs, outputs))
    none = np.zeros(0, np.int64)
    return Batch(
        original=wanted.argmax(1) if job.classes else none,
        spiking=found.argmax(1) if job.classes else none,
        cosine=np.array([measure.output_cosine(a[None], b[None]) for a, b in zip(found, wanted, strict=True)]),
        squared_error=np.square(found - wanted).sum(1),
        squared_norm=np.square(wanted).sum(1),
        counts=counts,
        seconds={"original": original.seconds_per_sample * len(wanted), "target": seconds * len(wanted)},
        first=first,
    )
