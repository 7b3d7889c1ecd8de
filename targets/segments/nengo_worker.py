"""Runs in nengo-loihi's own Python environment: ``nengo_worker.py segment.npz traces.npz``.

Imports nothing of this package.
"""

import sys
import types

import numpy as np
from nengo.exceptions import SimulationError
from nengo_loihi.block import Axon, LoihiBlock, Synapse
from nengo_loihi.emulator.interface import EmulatorInterface
from nengo_loihi.inputs import SpikeInput

V_LIMIT = 2**23 - 1


class Strict(EmulatorInterface):
    """The emulator, with overflows raised as errors."""

    strict = True


def axon(size, synapse):
    """An Axon from ``size`` source neurons to a synapse, one for each neuron."""
    found = Axon(size)
    found.target = synapse
    found.compartment_map = np.arange(size)
    found.compartment_atoms = np.zeros(size, dtype=int)
    return found


def main(segment, out):
    """Read the layers, run them in the emulator, and write spikes and potentials of each.

    All parameters are integers from the start, so that nengo-loihi's own discretisation is not used.
    """
    data = dict(np.load(segment))
    spikes = data["spikes"]
    blocks = []
    source = SpikeInput(spikes.shape[1])
    for t, row in enumerate(spikes):
        source.add_spikes(t + 1, np.nonzero(row)[0])
    inputs = [source]
    for i in range(int(data["layers"])):
        weight = (data[f"weight{i}"] << int(data[f"exponent{i}"])).astype(np.int32)
        size = len(weight)
        block = LoihiBlock(size)
        compartment = block.compartment
        for name, value in (
            ("decay_u", data[f"du{i}"]), ("decay_v", data[f"dv{i}"]), ("vth", data[f"vth{i}"] << 6),
            ("bias", data[f"bias{i}"]), ("refract_delay", np.ones(size)),
        ):  # fmt: skip
            setattr(compartment, name, np.asarray(value).astype(np.int32))
        compartment.scale_u = compartment.scale_v = False
        compartment.vmin, compartment.vmax = -V_LIMIT, V_LIMIT
        synapse = Synapse(weight.shape[1])
        synapse.weights = [column[None, :] for column in weight.T]
        synapse.indices = [np.arange(size)[None, :] for _ in weight.T]
        block.add_synapse(synapse)
        source.add_axon(axon(weight.shape[1], synapse))
        blocks.append(block)
        source = block
    model = types.SimpleNamespace(blocks=blocks, inputs=inputs, probes=[], dt=0.001, pes_error_scale=1.0)
    emulator = Strict(model, seed=0)
    fired, v = [], []
    emulator.step()  # the host's spikes take one step to arrive
    emulator.compartment.spiked[:] = False
    for _ in spikes:
        try:
            emulator.step()
        except SimulationError as error:
            sys.exit(f"{error}: what arrives in a step needs more bits than the chip has; choose a smaller --scale")
        fired.append(emulator.compartment.spiked.copy())
        v.append(emulator.compartment.voltage.copy())
    found = {}
    for i, block in enumerate(blocks):
        where = emulator.block_info.slices[block]
        found[f"spikes{i}"], found[f"v{i}"] = np.array(fired)[:, where], np.array(v)[:, where].astype(np.int64)
    np.savez(out, **found)


if __name__ == "__main__":
    main(*sys.argv[1:])
