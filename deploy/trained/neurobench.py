"""NeuroBench's metrics (neurobench 2.x) of a network of `deploy trained`, or of standard NIR, from its counted run.

* Footprint: bytes of weights and biases, after norms have been folded into them, as 32-bit numbers. NeuroBench adds the
  buffers that the framework's neurons keep.
* ConnectionSparsity: share of weights that are 0.
* ActivationSparsity: 1 - spikes / (neurons * steps).
* SynapticOperations: NeuroBench hooks layers with weights, so products of spikes with each other are not included.
  Effective operations leave out values and weights of 0. A layer that reads spikes, or sums of spikes, accumulates
  (AC); NeuroBench takes only 0, 1 and -1 for spikes, so an operand that holds a 2 makes MACs there. Dense operations
  add every synapse at every step, except on padding.
* MembraneUpdates: one for every neuron at every step, as each integrates and leaks whether input arrives or not;
  NeuroBench leaves out potentials that keep their value.
"""

from __future__ import annotations

import numpy as np

from deploy.trained.count import Counting
from deploy.trained.report import NeuroBench, SynapticOperations
from processes.spiking import Weighted

BYTES = 4


def neurobench(counting: Counting) -> NeuroBench:
    """NeuroBench's metrics of a counted run; operations and updates are per sample."""
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
    """Synapses that an input without zeros reaches in one step; synapses on padding are not counted."""
    reads = counting.graph.nodes[counting.graph.nodes[name].wires[0].source].shape
    return int(np.rint(counting.dense[name](np.ones((1, *reads))).sum()))
