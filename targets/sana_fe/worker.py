"""Runs in SANA-FE's own Python environment: ``worker.py network.npz chip.yaml results.json``.

Imports nothing of this package. A neuron is made to fire by a bias above its threshold for one step. Synapses have
weight 0, since only their cost counts. Neurons within their span, which hold a potential, are updated at every step;
others are only visited.
"""

import json
import os
import sys

import numpy as np
import sanafe

QUIET, FIRE = {"bias": 0.0}, {"bias": 2.0}
LIF = {"threshold": 1.0, "leak_decay": 0.0, "reset": 0.0, "reset_mode": "hard"}
SUMS = ("spikes", "packets_sent", "neurons_updated", "neurons_fired", "sim_time")


def build(data, arch):
    """Build the network, mapped to cores; group i of ``data`` is named "gi", in the order of the neurons' numbers."""
    net = sanafe.Network()
    cores = [core for tile in arch.tiles for core in tile.cores]
    groups = []
    for i, (first, size) in enumerate(data["groups"]):
        group = net.create_neuron_group(f"g{i}", int(size), LIF, soma_hw_name="soma", log_spikes=True)
        for neuron, core in zip(group, data["cores"][first : first + size], strict=True):
            neuron.map_to_core(cores[core])
        groups.append(group)
    group_of = np.repeat(np.arange(len(groups)), data["groups"][:, 1])
    within = np.arange(len(group_of)) - np.repeat(data["groups"][:, 0], data["groups"][:, 1])
    for unit, name in enumerate(data["units"]):
        chosen = data["axons"][data["unit"] == unit]
        for neuron in np.unique(chosen[:, 1]):  # a connection takes its target's unit at its creation
            groups[group_of[neuron]][int(within[neuron])].set_attributes(default_synapse_hw_name=str(name))
        pairs = np.stack([group_of[chosen[:, 0]], group_of[chosen[:, 1]]], axis=1)
        for a, b in np.unique(pairs, axis=0):
            rows = chosen[(pairs == (a, b)).all(axis=1)]
            ends = list(zip(within[rows[:, 0]].tolist(), within[rows[:, 1]].tolist(), strict=True))
            groups[a].connect_neurons_sparse(groups[b], {"weight": [0.0] * len(ends)}, ends)
    return net


def simulate(chip, data):
    """Simulate all samples; for each, sums over its steps, energy by part, and spikes of each group."""
    groups = len(data["groups"])
    mapped = [chip.mapped_neuron_groups[f"g{i}"] for i in range(groups)]
    neurons = [neuron for group in mapped for neuron in group]
    results, firing = [], []
    period = int(data["period"])
    for sample in range(int(data["samples"])):
        events = data["events"][data["sample"] == sample]
        starts = np.searchsorted(events[:, 0], np.arange(period + 1))
        found = {key: 0 for key in SUMS} | {"energy": {}, "fired": [0] * groups}
        for t in range(period):
            for switch, state in (("end", False), ("begin", True)):  # an end at the period is the next t = 0
                for group in np.nonzero(data[switch] % period == t)[0]:
                    for neuron in mapped[group]:
                        neuron.set_attributes(model_attributes={"force_update": state})
            for neuron in firing:
                neurons[neuron].set_attributes(model_attributes=QUIET)
            firing = events[starts[t] : starts[t + 1], 1].tolist()
            for neuron in firing:
                neurons[neuron].set_attributes(model_attributes=FIRE)
            step = chip.sim(1, timing_model="detailed", processing_threads=1, spike_trace=True)
            for key in SUMS:
                found[key] += step[key]
            for part, joules in step["energy"].items():
                found["energy"][part] = found["energy"].get(part, 0.0) + joules
            for address in step["spike_trace"][0]:
                found["fired"][int(address.group_name[1:])] += 1
        results.append(found)
    return results


def main(network, architecture, out):
    """Build the network, load it on the chip, simulate it, and write the results as JSON."""
    with open(os.devnull, "w") as nothing:
        os.dup2(nothing.fileno(), 1)  # SANA-FE prints at every step
    data = dict(np.load(network))
    arch = sanafe.load_arch(architecture)
    net = build(data, arch)
    chip = sanafe.SpikingChip(arch)
    chip.load(net)
    del net
    with open(out, "w") as file:
        json.dump(simulate(chip, data), file)


if __name__ == "__main__":
    main(*sys.argv[1:])
