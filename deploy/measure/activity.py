"""One sample through time: the time steps of each stage, and the spikes of each layer."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from evaluator.closed_form import ClosedForm
from evaluator.timeline import Timeline
from processes.network import Network, Route
from processes.operation import Operation, Result
from processes.words import Place, role

RASTER_NEURONS = 48  # neurons drawn of each layer


@dataclass(frozen=True)
class Stage:
    """A population and its time steps within a sample.

    role: what it is for, in words. listens: first step at which input can arrive. [start, stop): steps in which it
    emits. waited: steps that it adds to the latency, 0 if a slower stage runs beside it; they sum to the latency.
    """

    name: str
    op: str
    role: str
    listens: int
    start: int
    stop: int
    waited: int


@dataclass(frozen=True)
class RasterLayer:
    """Spikes of some neurons of a layer that fires in steps [start, stop).

    neurons: number of neurons of the layer. shown: how many of them were recorded. For each spike, int64 (spikes,):
    steps: its time step, counted from the sample's start; rows: its neuron, 0..shown-1; signs: 1 or -1.
    """

    name: str
    neurons: int
    shown: int
    start: int
    stop: int
    steps: np.ndarray
    rows: np.ndarray
    signs: np.ndarray


def stages(network: Network, times: Timeline) -> list[Stage]:
    """Every stage in the network's order: the populations whose operations state a role (:mod:`processes.words`)."""
    waited = _waited(network, times)
    found: list[Stage] = []
    for name, node in network:
        if role.statement(type(node.op)).answer is None:
            continue
        window, span = times.windows[name], times.span(network, name)
        place = Place(node.inputs == (Network.INPUT,), tuple(network[reader] for reader in network.readers(name)))
        steps = (span.start, window.start, window.stop, waited.get(name, 0))
        found.append(Stage(name, node.op.name, role(node.op, place), *steps))
    return found


def _waited(network: Network, times: Timeline) -> dict[str, int]:
    """Time steps that each node on the slowest path from the input to the readout adds to it."""

    def ready(name: str) -> int:  # step from which readers act, as in evaluator.timeline
        graded = name == Network.INPUT or network[name].emits == "graded"
        return times.windows[name].start if graded else times.windows[name].stop

    waited: dict[str, int] = {}
    name, reached = network.output, times.period
    while name != Network.INPUT:
        slowest = max(network.nodes[name].inputs, key=ready)
        if network[name].emits == "currents" or isinstance(network[name], Route):
            name = slowest  # a synapse or route takes no time of its own
            continue
        before = ready(slowest)
        waited[name], reached, name = reached - before, before, slowest
    return waited


def record_raster(
    runner: ClosedForm, times: Timeline, sample: np.ndarray, neurons: int = RASTER_NEURONS
) -> list[RasterLayer]:
    """Record the spikes of every firing layer for one ``sample`` (*sample, without a batch axis).

    Layers with more than ``neurons`` neurons are recorded at that many evenly spaced ones.
    """
    raster: list[RasterLayer] = []

    def observe(name: str, op: Operation, result: Result) -> None:
        output = result.values
        if not op.fires or isinstance(op, Route):
            return
        codes = output[:, 0].reshape(len(output), -1).cpu().numpy().astype(np.int64)  # (planes, neurons)
        total = codes.shape[1]
        chosen = np.unique(np.linspace(0, total - 1, min(neurons, total)).round().astype(int))
        planes, rows = np.nonzero(codes[:, chosen])
        spikes = codes[:, chosen][planes, rows]
        window = times.windows[name]
        steps = window.start + np.abs(spikes) - 1
        raster.append(RasterLayer(name, total, len(chosen), window.start, window.stop, steps, rows, np.sign(spikes)))

    runner.run(sample[None], observe)
    return raster
