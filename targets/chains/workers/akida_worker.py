"""Steps layers in a Python that has akida: ``akida_worker.py layers.npz spikes.npz``.

Imports nothing of this package.
"""

import sys

import akida
import numpy as np


def main(layers, out):
    """Read the layers, run them and write the spikes; one model per layer, as a model returns its last layer's only."""
    data = dict(np.load(layers))
    steps, sources = data["spikes"].shape
    found = {}
    for last in range(int(data["layers"])):
        model = akida.Model()
        model.add(akida.InputData(input_shape=(1, 1, sources), input_bits=1))
        for i in range(last + 1):
            weight = data[f"weight{i}"]
            model.add(
                akida.FullyConnected(units=len(weight), weights_bits=4, act_bits=1, activation=True, name=f"layer{i}")
            )
            variables = model.get_layer(f"layer{i}").variables
            variables["weights"] = weight.T[None, None].astype(np.int8)
            variables["threshold"] = data[f"threshold{i}"].astype(np.int32)
        fired = model.forward(data["spikes"].astype(np.uint8).reshape(steps, 1, 1, sources))
        found[f"spikes{last}"] = fired.reshape(steps, -1).astype(np.int64)
    np.savez(out, **found)


if __name__ == "__main__":
    main(*sys.argv[1:])
