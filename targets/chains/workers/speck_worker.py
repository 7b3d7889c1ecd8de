"""Steps layers in a Python that has sinabs: ``speck_worker.py layers.npz spikes.npz``.

Imports neither this package nor samna.
"""

import sys

import numpy as np
import torch
from sinabs.activation import MembraneReset, MembraneSubtract, SingleSpike
from sinabs.layers import IAF

LOWEST = -float(2**15)  # at which potentials saturate


def main(layers, out):
    """Read the layers, step them one after the other (integers held in float64), and write the spikes."""
    data = dict(np.load(layers))
    spikes = torch.from_numpy(data["spikes"]).double()
    found = {}
    with torch.no_grad():
        for i in range(int(data["layers"])):
            weight, bias = (torch.from_numpy(data[f"{name}{i}"]).double() for name in ("weight", "bias"))
            reset = MembraneSubtract() if data[f"subtract{i}"] else MembraneReset()
            neurons = IAF(
                spike_threshold=float(data[f"threshold{i}"]), spike_fn=SingleSpike, reset_fn=reset, min_v_mem=LOWEST
            ).double()
            spikes = neurons((spikes @ weight.T + bias)[None])[0].double()
            found[f"spikes{i}"] = spikes.numpy().astype(np.int64)
    np.savez(out, **found)


if __name__ == "__main__":
    main(*sys.argv[1:])
