"""NeuroBench's metrics (neurobench 2.x) of a network of `deploy trained`, or of standard NIR, from its counted run.

* Footprint: weights and biases, after norms have been folded into them, as 32-bit numbers. NeuroBench adds whatever buffers the
  framework's neurons keep.
* ConnectionSparsity: weights of 0.
* ActivationSparsity: 1 - spikes / (neurons * steps).
* SynapticOperations: NeuroBench hooks layers with weights, so products of spikes with each other are not among them. Effective
  ones leave out values and weights of 0. A layer that hears spikes, or sums of them, accumulates; NeuroBench takes only 0, 1
  and -1 for spikes, so a sum with a 2 in it is a MAC there. Dense ones add every synapse at every step, but for padding.
* MembraneUpdates: of every neuron at every step, as each integrates and leaks whether something arrives or not; NeuroBench
  leaves out potentials that happen to stay as they are.
"""

from __future__ import annotations

import numpy as np

from deploy.trained.count import Counting
from deploy.trained.report import NeuroBench, SynapticOperations
from processes.spiking import Weighted

BYTES = 4


def neurobench(counting: Counting) -> NeuroBench:
    """The metrics of all that has been counted, for a sample."""
    graph, counts = counting.graph, counting.counts
    samples, steps = max(1, counts.samples), counts.steps
    layers = {name: node.op for name, node in graph.nodes.items() if isinstance(node.op, Weighted)}
    stored = sum(op.weight.size for op in layers.values())
    biases = sum(op.bias.size for op in layers.values() if op.bias is not None)
    firing = [node for node in graph.nodes.values() if node.fires]
    places = steps * sum(int(np.prod(node.shape)) for node in firing)
    spikes = sum(found["spikes"] for found in counts.events.values()) / samples
    done = {
        event: sum(counts.events[name][event] for name in layers if name in counts.events) / samples
        for event in ("macs", "synaptic_operations")
    }
    return NeuroBench(
        Footprint=BYTES * (stored + biases),
        ConnectionSparsity=sum(int((op.weight == 0).sum()) for op in layers.values()) / stored if stored else None,
        ActivationSparsity=1 - spikes / places if places else None,
        SynapticOperations=SynapticOperations(
            Effective_MACs=done["macs"], Effective_ACs=done["synaptic_operations"],
            Dense=steps * sum(_dense(counting, name) for name in layers),
        ),
        MembraneUpdates=counts.per_sample()["neuron_steps"],
    )  # fmt: skip


def _dense(counting: Counting, name: str) -> int:
    """Synapses that an input without zeros reaches in a step; what is padded reaches none."""
    reads = counting.graph.nodes[counting.graph.nodes[name].wires[0].source].shape
    return int(np.rint(counting.dense[name](np.ones((1, *reads))).sum()))
