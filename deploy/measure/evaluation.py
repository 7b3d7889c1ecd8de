"""Runs whole data sets through the original model and through the closed form, batch by batch, and times them."""

from __future__ import annotations

import copy
import time
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import torch

from deploy.energy import EventCounter
from deploy.measure.metrics import predictions
from evaluator.closed_form import ClosedForm
from evaluator.telling import telling
from processes.backends.devices import current_device
from processes.batches import Progress, slices
from processes.errors import DeployError
from processes.kernels.compiled import compiling
from processes.network import DynamicThreshold, Network, Route
from processes.operation import Operation, Result, sample_size


@dataclass(frozen=True)
class Outputs:
    """Outputs (N, *output) float32, in the model's units; seconds are after a warm-up and without compilation."""

    outputs: np.ndarray
    seconds_per_sample: float

    @property
    def predictions(self) -> np.ndarray:
        """Class of the largest output, int64 (N,); raises ValueError unless outputs are (N, classes)."""
        return predictions(self.outputs)

    def __len__(self) -> int:
        return len(self.outputs)


@dataclass(frozen=True)
class Measurement(Outputs):
    """A network's outputs and, by node, what happened inside it over all samples.

    neurons: number of neurons of a firing node. spikes: number that it fired. saturations: potentials clipped at their
    bit width, for nodes in which that can happen; 0 in floating point. low_rows: rows of a normalisation whose variance
    is too small for the code.
    """

    neurons: Mapping[str, int] = field(default_factory=dict)
    spikes: Mapping[str, int] = field(default_factory=dict)
    saturations: Mapping[str, int] = field(default_factory=dict)
    low_rows: Mapping[str, int] = field(default_factory=dict)

    @property
    def spikes_per_sample(self) -> float:
        """Spikes of the whole network for one sample, on average."""
        return sum(self.spikes.values()) / len(self)

    @property
    def spikes_per_neuron(self) -> float | None:
        """Spikes of one neuron for one sample, on average; None if no node fires."""
        neurons = sum(self.neurons.values())
        return self.spikes_per_sample / neurons if neurons else None

    def node_spikes(self, name: str) -> float:
        """Spikes of a firing node for one sample, on average."""
        return self.spikes[name] / len(self)


class _Clock:
    """Collects the seconds of each batch."""

    def __init__(self) -> None:
        self.batches: list[tuple[int, float]] = []

    def add(self, samples: int, seconds: float) -> None:
        self.batches.append((samples, seconds))

    def per_sample(self) -> float:
        """Mean over all batches but the first, which warms caches up; a single batch has a sample run before it."""
        counted = self.batches[1:] or self.batches
        return sum(seconds for _, seconds in counted) / sum(samples for samples, _ in counted)


def ann_outputs(
    module: torch.nn.Module,
    inputs: Mapping[str, np.ndarray],
    batch: int = 64,
    progress: Progress | None = None,
) -> Outputs:
    """Run the original model on ``inputs``, the arguments of forward in order, each (N, *sample).

    It runs on the current device; if that is not the CPU, a copy of the module does.
    """
    total, device = len(next(iter(inputs.values()))), current_device()
    module = module if device.type == "cpu" else copy.deepcopy(module).to(device)
    clock, parts = _Clock(), []
    if 1 < total <= batch:
        with torch.inference_mode():
            module(*(torch.from_numpy(array[:1]).to(device) for array in inputs.values()))
    for part in slices(total, batch, progress):
        arguments = [torch.from_numpy(array[part]).to(device) for array in inputs.values()]
        begin = time.perf_counter()
        with torch.inference_mode():
            parts.append(module(*arguments).float().cpu().numpy())
        clock.add(len(parts[-1]), time.perf_counter() - begin)
    return Outputs(np.concatenate(parts), clock.per_sample())


def evaluate(
    runner: ClosedForm,
    samples: np.ndarray,
    batch: int = 64,
    progress: Progress | None = None,
    strict: bool = False,
    events: EventCounter | None = None,
) -> Measurement:
    """Run a network on ``samples`` (N, *sample); count spikes and saturations, of which ``runner.ideal`` has none.

    Args:
        batch: samples evaluated together.
        progress: called with (samples done, samples in all).
        strict: stop at the first saturated potential.
        events: also counts the events that energy is computed from.

    Raises:
        DeployError: a potential saturates and ``strict`` is set.
    """
    counter = _Counter(strict, events)
    clock, parts = _Clock(), []
    if 1 < len(samples) <= batch:
        runner.run(samples[:1])
    for part in slices(len(samples), batch, progress):
        counter.seconds, counter.start = 0.0, part.start
        begin = time.perf_counter() - compiling()
        result = runner.run(
            samples[part], telling(runner, part, len(samples), None if runner.ideal else counter, progress)
        )
        outputs = (result if runner.ideal else runner.real(result)).float().cpu().numpy()
        clock.add(len(outputs), time.perf_counter() - compiling() - begin - counter.seconds)
        counter.saturated(Network.INPUT, runner.input_clips(samples[part]))
        parts.append(outputs)
    outputs = np.concatenate(parts)
    if outputs.shape[1] == 1:  # the leading 1 of a sample captured at batch size 1
        outputs = outputs[:, 0]
    return Measurement(outputs, clock.per_sample(), *counter.counts)


class _Counter:
    """Counts what nodes emit, and the seconds that counting takes, which are not the network's; without compiling."""

    def __init__(self, strict: bool, events: EventCounter | None) -> None:
        self.strict, self.events, self.start = strict, events, 0
        self.counts: tuple[dict[str, int], ...] = ({}, {}, {}, {})
        self.neurons, self.spikes, self.saturations, self.low_rows = self.counts
        self.seconds = 0.0

    def __call__(self, name: str, op: Operation, result: Result) -> None:
        begin = time.perf_counter() - compiling()
        if not isinstance(op, Route):  # a route passes on spikes that were counted where they were fired
            self._count(name, op, result)
        if self.events is not None:
            self.events(name, op, result)
        self.seconds += time.perf_counter() - compiling() - begin

    def _count(self, name: str, op: Operation, result: Result) -> None:
        if op.fires:
            self.neurons[name] = sample_size(op.shape)
            self.spikes[name] = self.spikes.get(name, 0) + int(torch.count_nonzero(result.values))
        if isinstance(op, DynamicThreshold) and op.squared:
            self.low_rows[name] = self.low_rows.get(name, 0) + result.low_variance_rows
        if not op.fires or name in self.low_rows:
            self.saturations.setdefault(name, 0)
        self.saturated(name, result.clips)

    def saturated(self, name: str, clips: torch.Tensor | None) -> None:
        """Count clipped values (N, *shape) of a layer, or of the network's graded input; None if there are none.

        Raises:
            DeployError: there are some and ``strict`` is set.
        """
        if clips is None:
            return
        self.saturations[name] = self.saturations.get(name, 0) + int(clips.sum())
        if self.strict:
            sample, *neuron = clips.nonzero()[0].tolist()
            raise DeployError(
                f"--strict: layer '{name}', sample {self.start + sample}, neuron {tuple(neuron)}: the potential saturates; "
                "calibrate on more data, or leave --strict out to have saturations counted"
            )
