"""Runs in brian2-loihi's own Python environment: ``brian2_worker.py segment.npz traces.npz``.

Imports nothing of this package.
"""

import sys
import warnings

import numpy as np
from brian2 import StateMonitor, prefs, seed
from brian2_loihi import (
    LoihiNetwork,
    LoihiNeuronGroup,
    LoihiSpikeGeneratorGroup,
    LoihiSpikeMonitor,
    LoihiSynapses,
    synapse_sign_mode,
)

SIGNS = ((synapse_sign_mode.EXCITATORY, 1), (synapse_sign_mode.INHIBITORY, -1))


def connect(source, target, weight, exponent):
    """Connect two groups, positive and negative weights apart, as mixed ones lose their last bit."""
    found = []
    for mode, sign in SIGNS:
        post, pre = np.nonzero(weight * sign > 0)
        if len(pre):
            synapses = LoihiSynapses(source, target, sign_mode=mode, w_exp=exponent - 6)
            synapses.connect(i=pre, j=post)
            synapses.w = weight[post, pre]
            found.append(synapses)
    return found


def main(segment, out):
    """Read the layers, run them in the emulator, and write spikes and potentials of each."""
    warnings.simplefilter("ignore")
    prefs.codegen.target = "numpy"
    seed(0)
    data = dict(np.load(segment))
    steps = len(data["spikes"])
    times, indices = np.nonzero(data["spikes"])
    source = LoihiSpikeGeneratorGroup(data["spikes"].shape[1], indices, times)
    parts, monitors = [source], []
    for i in range(int(data["layers"])):
        group = LoihiNeuronGroup(
            len(data[f"weight{i}"]),
            threshold_v_mant=int(data[f"vth{i}"][0]),
            decay_v=int(data[f"dv{i}"][0]),
            decay_I=int(data[f"du{i}"][0]) + 1,
        )
        parts += [group, *connect(source, group, data[f"weight{i}"], int(data[f"exponent{i}"]))]
        monitors.append((LoihiSpikeMonitor(group), StateMonitor(group, "v", record=True, when="end")))
        source = group
    net = LoihiNetwork(*parts, *[monitor for pair in monitors for monitor in pair])
    net.run(steps)
    found = {}
    for i, (spikes, state) in enumerate(monitors):
        fired = np.zeros((steps, len(data[f"weight{i}"])), bool)
        fired[np.asarray(spikes.t, int), np.asarray(spikes.i, int)] = True
        found[f"spikes{i}"], found[f"v{i}"] = fired, np.asarray(state.v).T.astype(np.int64)
    np.savez(out, **found)


if __name__ == "__main__":
    main(*sys.argv[1:])
