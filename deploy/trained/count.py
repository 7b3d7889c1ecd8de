"""Events of a captured spiking network in a run, counted from its messages, never from nominal rates.

Events have the names of :data:`processes.events.EVENTS`, and of ``OTHERS`` for those that only such networks have:

* a layer that reads spikes, or sums of spikes, adds one weight for each spike and non-zero synapse; a layer that reads
  any other values multiplies, which is a MAC for each non-zero value and non-zero synapse;
* a product of spikes within a step adds one for each pair of spikes that meet;
* neurons integrate and leak at every step, whether input arrives or not, and compare with the threshold if they
  can fire.

An input that consists of whole numbers from 0 up counts as spikes, or as numbers of spikes, as in frames of events.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from processes.spiking import (
    Affine,
    Graph,
    Layout,
    Levels,
    MaxPool,
    Neuron,
    Product,
    Reduce,
    Source,
    Sum,
    SumPool,
    Weighted,
)
from processes.spiking.steppers import weighted_map
from targets.nir_graph.program import Program, Stepper

OTHERS = {
    "macs": "multiply-accumulates of layers that read something else than spikes: pixels, averages, intermediate results",
    "shortcut_additions": "values added up where shortcuts meet, potentials or spikes",
    "pool_comparisons": "values compared in max pools",
}
"""Events in addition to those of conversions; `macs` here are the spiking network's own, not the original's."""


@dataclass
class Counts:
    """Events of a run.

    Attributes:
        events: counts by node, over all samples.
        rates: by node that sends spikes or sums of spikes, the mean value that one of its outputs sends in a step.
        shares: by any other node, the share of its values that are not 0.
        nominal: by layer and product, multiply-accumulates of one step of one sample if every value took part, as
            published formulas count: zero weights and padding included.
        samples, steps: number of samples counted, and T.
    """

    events: dict[str, Counter[str]] = field(default_factory=dict)
    rates: dict[str, float] = field(default_factory=dict)
    shares: dict[str, float] = field(default_factory=dict)
    nominal: dict[str, int] = field(default_factory=dict)
    samples: int = 0
    steps: int = 0

    def per_sample(self) -> Counter[str]:
        """Events of the whole network, mean over samples."""
        total: Counter[str] = Counter()
        for counted in self.events.values():
            total.update(counted)
        return Counter({event: count / max(1, self.samples) for event, count in total.items()})


def tallied(graph: Graph, spikes_arrive: bool = False) -> set[str]:
    """Names of nodes that send spikes (0, 1) or sums of spikes (0, 1, 2, ...), and the input if ``spikes_arrive``."""
    found = (
        graph.binary()
        | ({graph.input} if spikes_arrive else set())
        | {name for name, node in graph.nodes.items() if isinstance(node.op, Levels)}
    )
    for name, node in graph.nodes.items():
        if isinstance(node.op, Sum | Layout | MaxPool | SumPool | Reduce | Product):
            found |= {name} if all(wire.source in found for wire in node.wires) else set()
    return found


def tallies(x: np.ndarray) -> bool:
    """Whether an input consists of spikes or numbers of spikes: whole numbers from 0 up."""
    return bool((x >= 0).all() and (x == np.rint(x)).all())


class Counting:
    """Runs a floating-point or integer program and counts its events.

    Args:
        graph: the captured network.
        program: the graph's program to run.
        spikes_arrive: whether the input consists of spikes, or sums of spikes (:func:`tallies`).

    Attributes:
        counts: what has been counted in all runs so far.
        fans: by layer, a linear map with a 1 for each non-zero weight, which counts the synapses that an operand
            reaches.
        dense: by layer, a linear map with a 1 for every weight, zero weights included.
    """

    def __init__(self, graph: Graph, program: Program, spikes_arrive: bool = False) -> None:
        self.graph, self.program = graph, program
        self.counts = Counts(nominal={name: _nominal(graph, name) for name in graph.nodes})
        self.counts.nominal = {name: count for name, count in self.counts.nominal.items() if count}
        self.tallied, self.readers = tallied(graph, spikes_arrive), graph.readers()
        ops = [node.op for node in graph.nodes.values()]
        self.firing = {id(op.rule) for op in ops if isinstance(op, Neuron) and op.emits is None}
        self.sums: Counter[str] = Counter()
        layers = {name: (node.op, node.shape) for name, node in graph.nodes.items() if isinstance(node.op, Weighted)}
        self.fans = {
            name: weighted_map(op, (op.weight != 0).astype(np.float64), shape) for name, (op, shape) in layers.items()
        }
        self.dense = {name: weighted_map(op, np.ones_like(op.weight), shape) for name, (op, shape) in layers.items()}

    def run(self, x: np.ndarray) -> tuple[np.ndarray, dict[str, np.ndarray]]:
        """Run and count a batch ``x`` (samples, T, *shape).

        Returns:
            Outputs (samples, T, *shape) in real units, and by population its number of spikes (samples, T) int64.
        """
        encoded = self.program.encode(self.graph.input, x)
        samples, steps = encoded.shape[:2]
        stepper = Stepper(self.program, list(self.program.stages))
        stage = self.program.stages[self.graph.output]
        outputs = np.zeros((samples, steps, *stage.shape))
        fired = {
            name: np.zeros((samples, steps), np.int64)
            for name, node in self.graph.nodes.items()
            if isinstance(node.op, Neuron) and node.op.emits is None
        }
        before: dict[str, Any] = {}
        for t in range(steps):
            now = stepper.step({self.graph.input: encoded[:, t]})
            for name in self.graph.nodes:
                self._visit(name, now, before, samples)
            for name, trace in fired.items():
                message = now[name]
                trace[:, t] = 0 if message is None else message.reshape(len(message), -1).sum(1)
            message = now[self.graph.output]
            outputs[:, t] = 0 if message is None else message
            before = now
        self.counts.samples += samples
        self.counts.steps = steps
        total = self.counts.samples * steps
        means = {name: self.sums[name] / (total * int(np.prod(node.shape))) for name, node in self.graph.nodes.items()}
        self.counts.rates = {name: mean for name, mean in means.items() if name in self.tallied}
        self.counts.shares = {name: mean for name, mean in means.items() if name not in self.tallied}
        return outputs * stage.unit, fired

    def _visit(self, name: str, now: dict[str, Any], before: dict[str, Any], samples: int) -> None:
        node = self.graph.nodes[name]
        operands = [(before if wire.carried else now).get(wire.source) for wire in node.wires]
        operands = [None if x is None else np.broadcast_to(x, (samples, *x.shape[1:])) for x in operands]
        message, size = now.get(name), samples * int(np.prod(node.shape))
        found: Counter[str] = Counter()
        if message is not None:
            whole = np.broadcast_to(message, (samples, *node.shape))
            self.sums[name] += int(whole.sum()) if name in self.tallied else int(np.count_nonzero(whole))
        if isinstance(node.op, Weighted) and operands[0] is not None:
            tally = node.wires[0].source in self.tallied
            taking = operands[0] if tally else operands[0] != 0
            done = int(np.rint(self.fans[name](taking.astype(np.float64)).sum()))
            found["synaptic_operations" if tally else "macs"] += done
        elif isinstance(node.op, Product) and all(x is not None for x in operands):
            a, b = ((x != 0).astype(np.float64) for x in operands if x is not None)
            found["synaptic_operations"] += int((a @ b if node.op.matrices else a * b).sum())
        elif isinstance(node.op, Neuron) and node.op.emits is None:
            spikes = 0 if message is None else int(np.count_nonzero(np.broadcast_to(message, (samples, *node.shape))))
            arrived = 0 if operands[0] is None else int(np.count_nonzero(operands[0]))
            found.update(neuron_steps=size, compares=size, silent_compares=size - spikes, spikes=spikes)
            found["potential_updates"] += arrived
            found["transfers"] += spikes * len(set(self._layers(name)))
        elif isinstance(node.op, Neuron) and id(node.op.rule) not in self.firing:  # a population that never fires
            found["neuron_steps"] += size
            found["potential_updates"] += 0 if operands[0] is None else int(np.count_nonzero(operands[0]))
        elif isinstance(node.op, Levels):  # a population whose value is sent in up to `most` binary steps
            spikes, steps = 0 if message is None else int(message.sum()), size * node.op.most
            found.update(neuron_steps=steps, compares=steps, silent_compares=steps - spikes, spikes=spikes)
            found["transfers"] += spikes * len(set(self._layers(name)))
        elif isinstance(node.op, Sum):
            found["shortcut_additions"] += size * (len(operands) - 1)
        elif isinstance(node.op, MaxPool):
            found["pool_comparisons"] += size * (int(np.prod(node.op.kernel)) - 1)
        if name not in self.tallied and message is not None:
            onward = [r for r in self._layers(name) if isinstance(self.graph.nodes[r].op, Weighted | Product)]
            if onward and not isinstance(node.op, Source | Layout | Affine):
                graded = int(np.count_nonzero(message))
                found.update(graded_spikes=graded, transfers=graded * len(set(onward)))
        if found:
            self.counts.events.setdefault(name, Counter()).update(found)

    def _layers(self, name: str) -> list[str]:
        """Readers of a node's messages, found through nodes that only move, add, scale or pool them."""
        found: list[str] = []
        for reader in self.readers[name]:
            through = isinstance(self.graph.nodes[reader].op, Layout | Sum | Affine | MaxPool | Reduce | SumPool)
            found += self._layers(reader) if through else [reader]
        return found


def _nominal(graph: Graph, name: str) -> int:
    node = graph.nodes[name]
    if isinstance(node.op, Weighted):
        return int(np.prod(node.shape)) * int(np.prod(node.op.weight.shape[1:]))
    if isinstance(node.op, Product):
        inner = graph.nodes[node.wires[0].source].shape[-1] if node.op.matrices else 1
        return int(np.prod(node.shape)) * inner
    return 0
