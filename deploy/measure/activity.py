"""One sample through time: which stage has which steps, and when each neuron fires."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from evaluator.closed_form import ClosedForm
from evaluator.timeline import Timeline
from processes.network import Network, Route
from processes.operation import Operation, Result
from processes.words import Place, role

RASTER_NEURONS = 48  # drawn of each layer


@dataclass(frozen=True)
class Stage:
    """A population and its steps within a sample.

    role: what it is for, in words. listens: first step at which something arrives. [start, stop): steps in
    which it emits. waited: steps by which it delays the readout, 0 if something slower runs beside it; these
    add up to the latency.
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

    neurons, shown: how many it has, how many of them are here. steps (absolute), rows (neurons, 0..shown-1),
    signs: int64 (spikes,).
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
    """Every stage, in topological order: populations whose operations say what they are for."""
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
    """Steps that each node on the slowest path adds to it, from the readout back to the input."""

    def ready(name: str) -> int:  # as in evaluator.timeline
        graded = name == Network.INPUT or network[name].emits == "graded"
        return times.windows[name].start if graded else times.windows[name].stop

    waited: dict[str, int] = {}
    name, reached = network.output, times.period
    while name != Network.INPUT:
        slowest = max(network.nodes[name].inputs, key=ready)
        if network[name].emits == "currents" or isinstance(network[name], Route):
            name = slowest  # a synapse or wire: its time is that of the population before it
            continue
        before = ready(slowest)
        waited[name], reached, name = reached - before, before, slowest
    return waited


def record_raster(
    runner: ClosedForm, times: Timeline, sample: np.ndarray, neurons: int = RASTER_NEURONS
) -> list[RasterLayer]:
    """Every firing layer's spikes of ``sample`` (*sample, without a batch axis).

    Of layers with more neurons than ``neurons``, so many that are evenly spaced.
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
