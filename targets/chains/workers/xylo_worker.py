"""Steps a network in a Python that has xylosim: ``xylo_worker.py layers.npz spikes.npz``.

Imports neither this package nor samna.
"""

import sys

import numpy as np
from xylosim.v2 import XyloLayer, XyloSynapse


def synapses(weight, offset=0):
    """For each source the list of its XyloSynapses, from weights (targets, sources); targets count from ``offset``."""
    return [[XyloSynapse(int(j) + offset, 0, int(w[j])) for j in np.nonzero(w)[0]] for w in weight.T]


def main(layers, out):
    """Read the layers, run XyloSim and write every layer's spikes.

    The hidden populations are consecutive ranges of Xylo's recurrent population; the last one is its output.
    """
    data = dict(np.load(layers))
    count, spikes = int(data["layers"]), data["spikes"]
    sizes = [len(data[f"weight{i}"]) for i in range(count)]
    starts = np.concatenate([[0], np.cumsum(sizes[:-1])])
    hidden = int(starts[-1])
    recurrent = []
    for i in range(1, count - 1):
        recurrent += synapses(data[f"weight{i}"], int(starts[i]))
    recurrent += [[] for _ in range(hidden - len(recurrent))]
    outgoing = [[] for _ in range(hidden - sizes[-2])] + synapses(data[f"weight{count - 1}"])
    incoming = synapses(data["weight0"])

    def field(name, last):
        chosen = range(count - 1, count) if last else range(count - 1)
        return [int(x) for i in chosen for x in np.broadcast_to(data[f"{name}{i}"], sizes[i])]

    layer = XyloLayer(
        synapses_in=incoming, synapses_rec=recurrent, synapses_out=outgoing, aliases=[[] for _ in range(hidden)],
        threshold=field("threshold", False), threshold_out=field("threshold", True), has_bias=True,
        bias=field("bias", False), bias_out=field("bias", True),
        weight_shift_inp=0, weight_shift_rec=0, weight_shift_out=0,
        dash_mem=field("d_mem", False), dash_mem_out=field("d_mem", True),
        dash_syns=[[d, 0] for d in field("d_syn", False)], dash_syns_out=[[d] for d in field("d_syn", True)], name="network",
    )  # fmt: skip
    idle = np.zeros((count - 1, spikes.shape[1]), np.int64)
    ends = np.array(layer.evolve(np.concatenate([spikes, idle]).tolist()))
    inner = np.array(layer.rec_recurrent_spikes)
    steps = len(spikes)
    found = {f"spikes{i}": inner[i : i + steps, starts[i] : starts[i] + sizes[i]] for i in range(count - 1)}
    found[f"spikes{count - 1}"] = ends[count - 1 : count - 1 + steps]
    np.savez(out, **found)


if __name__ == "__main__":
    main(*sys.argv[1:])
