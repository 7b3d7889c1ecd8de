"""Runs a network on a SpiNNaker2 board by py-spinnaker2: ``spinnaker2_worker.py network.npz spikes.npz``.

The environment variable S2_IP holds the board's address. Imports nothing of this package. A spike reaches the next
population a step later; the lag is taken off from the spikes that are written.
"""

import os
import sys

import numpy as np
from spinnaker2 import hardware, snn


def main(layers, out):
    """Build the network from the file ``layers``, run it on the board, and write every layer's spikes to ``out``."""
    data = dict(np.load(layers))
    count, spikes = int(data["layers"]), data["spikes"]
    steps = len(spikes) + count
    times = {j: np.nonzero(train)[0].tolist() for j, train in enumerate(spikes.T) if train.any()}
    source = snn.Population(spikes.shape[1], "spike_list", times, name="input")
    network, populations = snn.Network("network"), []
    network.add(source)
    for i in range(count):
        weight = data[f"weight{i}"]
        parameters = {
            "threshold": float(data[f"threshold{i}"]), "alpha_decay": float(data[f"alpha{i}"]),
            "i_offset": 0.0, "v_reset": float(data[f"reset{i}"]), "v_init": 0.0,
            "reset": "reset_by_subtraction" if data[f"subtract{i}"] else "reset_to_v_reset",
        }  # fmt: skip
        population = snn.Population(len(weight), "lif", parameters, name=f"layer{i}", record=["spikes"])
        connections = [[int(j), int(n), int(weight[n, j]), 0] for n, j in np.argwhere(weight)]
        network.add(population, snn.Projection(source, population, connections, name=f"weights{i}"))
        populations.append(population)
        source = population
    hardware.SpiNNaker2Chip(eth_ip=os.environ["S2_IP"]).run(network, steps)
    found = {}
    for i, population in enumerate(populations):
        fired = np.zeros((len(spikes), population.size), np.int64)
        for neuron, when in population.get_spikes().items():
            shifted = np.asarray(when, int) - (i + 1)
            fired[shifted[(shifted >= 0) & (shifted < len(spikes))], neuron] = 1
        found[f"spikes{i}"] = fired
    np.savez(out, **found)


if __name__ == "__main__":
    main(*sys.argv[1:])
