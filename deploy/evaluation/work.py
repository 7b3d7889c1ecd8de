"""One batch of an evaluation: what a worker process does, wherever it runs."""

from __future__ import annotations

import functools
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from converters.front_end import FrontEnd
from converters.pipeline import front_end, network_input
from deploy import measure
from deploy.evaluation.summary import Batch, batch_of, compared_batch
from deploy.language.scores import Windows
from deploy.origin import NO_TRUST, Trust, origin_of
from deploy.output import GRAPH
from evaluator.closed_form import ClosedForm
from evaluator.compare import compare
from evaluator.network_file import read
from processes.backends.devices import on_device
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
    language: bool = False
    trust: Trust = NO_TRUST
    state_sets: int | None = None
    device: str = "cpu"


class _Worker:
    """The model and the network, loaded once in a process."""

    def __init__(self, folder: Path, trust: Trust) -> None:
        self.model = origin_of(folder, trust=trust).model
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

    Of a language model, the last array says which tokens of each window count, (N, 2).
    One thread whatever the number of workers, because sums in floating point depend on the number of threads.
    """
    with ALONE, on_device(job.device):
        torch.set_num_threads(1)
        # where an array lies decides in which order its sums are vectorised: always at the start of a cache line
        arguments = [torch.tensor(argument).numpy() for argument in arguments]
        worker = _worker(job.folder, job.trust)
        text = None
        if job.language:
            *arguments, counted = arguments
            text = Windows(arguments[0], counted)
        original = measure.ann_outputs(
            worker.model.module, dict(zip(worker.model.inputs, arguments, strict=True)), 2**31
        )
        samples = worker.input_of(arguments)
        if job.target == "closed-form":
            return batch_of(
                original, measure.evaluate(ClosedForm(worker.network), samples, len(samples)), job.classes, text
            )
        run = registry()[job.target].run(worker.network, samples, job.granularity, None, job.state_sets)
        return compared_batch(worker.network, original, run, compare(worker.network, samples, run), job.classes, text)
