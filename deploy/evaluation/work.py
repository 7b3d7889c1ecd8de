"""One batch of an evaluation, as a worker process runs it on this machine or on a cluster."""

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
"""Held while a batch runs, as the kernels' thread pool takes one caller of a process at a time."""


@dataclass(frozen=True)
class Job:
    """Settings that all batches of an evaluation share; each worker loads model and network from ``folder`` itself.

    Attributes:
        classes: whether outputs are class scores. language: whether the model is a causal language model.
        state_sets: most samples that a node may hold at once when samples overlap; None for no overlap.
    """

    folder: Path
    target: str
    granularity: str
    classes: bool
    language: bool = False
    trust: Trust = NO_TRUST
    state_sets: int | None = None
    device: str = "cpu"


class _Worker:
    """The original model and the network of a conversion's folder, loaded once in a process."""

    def __init__(self, folder: Path, trust: Trust) -> None:
        self.model = origin_of(folder, trust=trust).model
        self.network = read(folder / GRAPH, tried=True)  # not tried in a child first: Dask's workers may start none
        self.front: FrontEnd | None = None

    def input_of(self, arguments: Sequence[np.ndarray]) -> np.ndarray:
        """The spiking network's input (N, *input) for the model's arguments."""
        if np.issubdtype(arguments[0].dtype, np.integer) or len(arguments) > 1:
            self.front = self.front or front_end(self.model.module, arguments)[1]
        return network_input(self.front, arguments)


_worker = functools.lru_cache(maxsize=1)(_Worker)


def run_batch(job: Job, arguments: Sequence[np.ndarray]) -> Batch:
    """Run a batch, the model's arguments each (N, ...), through the original model and through the target.

    For a language model, the last array holds the tokens that count in each window, first and last + 1, (N, 2) int64.
    PyTorch uses one thread, because the last bits of floating-point sums depend on the number of threads.
    """
    with ALONE, on_device(job.device):
        torch.set_num_threads(1)
        # an array's alignment decides how its sums are vectorised: PyTorch's memory always starts a cache line
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
