"""Runs chains of LIF populations in Loihi's integers, in emulators of Loihi and by our own recurrence.

    weights -> LIF -> weights -> LIF -> ...

A spike of one population reaches the next one step later, as on the chip; the host's spikes act in their own step. The
emulators are independent implementations of the recurrence in :mod:`processes.lif`, each with restrictions of its own,
which are checked before it is started.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from processes import lif
from processes.errors import DeployError
from processes.fixed import mantissa_limit
from processes.leftovers import scratch_folder
from targets.tools import BRIAN2_LOIHI, NENGO_LOIHI, Tool

WORKERS = {BRIAN2_LOIHI.name: "brian2_worker.py", NENGO_LOIHI.name: "nengo_worker.py"}
"""By emulator: the program that its own Python runs."""


@dataclass(frozen=True)
class Layer:
    """A population and the synapses into it.

    Attributes:
        name: for messages.
        weight: what a spike adds to the current u, in units of u, int64 (neurons, sources).
        neuron: parameters of the population.
    """

    name: str
    weight: np.ndarray
    neuron: lif.LIF


@dataclass(frozen=True)
class Trace:
    """Recording of one population.

    Attributes:
        spikes: bool (steps, neurons).
        v: potentials after resets, int64 (steps, neurons).
        overflows: number of currents that wrapped and potentials that clipped; 0 from emulators, which count none.
    """

    spikes: np.ndarray
    v: np.ndarray
    overflows: int = 0


def step_through(layers: list[Layer], spikes: np.ndarray) -> list[Trace]:
    """Step the layers by the recurrence of :mod:`processes.lif`, for the host's spikes bool (steps, sources)."""
    states = [layer.neuron.rest((len(layer.weight),)) for layer in layers]
    fired = [np.zeros(len(layer.weight), bool) for layer in layers]
    size = [(len(spikes), len(layer.weight)) for layer in layers]
    fired_at, v_at = ([np.zeros(shape, kind) for shape in size] for kind in (bool, np.int64))
    overflows = [0 for _ in layers]
    align = 2 ** layers[0].neuron.chip.align_bits
    for t, arriving in enumerate(spikes):
        sent = [arriving, *fired]
        for i, layer in enumerate(layers):
            current = layer.weight @ sent[i].astype(np.int64)
            states[i], fired[i] = lif.step(layer.neuron, states[i], current // align)
            fired_at[i][t], v_at[i][t] = fired[i], states[i].v
            overflows[i] += states[i].overflows
    return [Trace(*found) for found in zip(fired_at, v_at, overflows, strict=True)]


def emulate(tool: Tool, layers: list[Layer], spikes: np.ndarray) -> list[Trace]:
    """Step the layers in an emulator, for the host's spikes bool (steps, sources).

    Raises:
        DeployError: the emulator is not installed, cannot hold a layer's parameters, or failed.
    """
    arrays: dict[str, np.ndarray] = {"spikes": np.asarray(spikes, bool), "layers": np.array(len(layers))}
    for i, layer in enumerate(layers):
        exponent = _check(tool, layer)
        size = len(layer.weight)
        arrays[f"weight{i}"] = layer.weight >> exponent
        arrays[f"exponent{i}"] = np.array(exponent)
        for field in ("du", "dv", "vth", "bias"):
            value = np.broadcast_to(np.asarray(getattr(layer.neuron, field), np.int64).reshape(-1), size)
            arrays[f"{field}{i}"] = value
    with scratch_folder(tool.name) as folder:
        np.savez(folder / "segment.npz", **arrays)
        script = Path(__file__).with_name(WORKERS[tool.name])
        tool.run(script, folder / "segment.npz", folder / "traces.npz")
        with np.load(folder / "traces.npz") as out:
            return [Trace(out[f"spikes{i}"].astype(bool), out[f"v{i}"]) for i in range(len(layers))]


def exponent_of(holder: str, layer: Layer) -> int:
    """The exponent e for which a layer's weights are mantissas of 8 bits beside the sign, times 2^e units of u.

    Raises:
        DeployError: there is none, or the neurons do not reset to zero; ``holder`` names the emulator in the message.
    """
    chip = layer.neuron.chip
    largest = int(np.abs(layer.weight).max(initial=0))
    exponent = chip.align_bits
    while largest >> exponent > mantissa_limit(chip.weight_bits, signed=False):
        exponent += 1
    if ((layer.weight >> exponent) << exponent != layer.weight).any():
        raise DeployError(
            f"layer '{layer.name}': its weights are no 8-bit mantissas times a power of two of at least 64, which is "
            f"what {holder} takes; choose a coarser scale"
        )
    if getattr(layer.neuron, "subtract", False) or np.any(getattr(layer.neuron, "v_reset", 0)):
        raise DeployError(f"layer '{layer.name}': {holder} resets to zero only")
    return exponent


def _check(tool: Tool, layer: Layer) -> int:
    """Return the weights' exponent, or raise DeployError if the emulator cannot hold the layer."""
    exponent = exponent_of(tool.name, layer)
    if tool is BRIAN2_LOIHI:
        for field in ("du", "dv", "vth"):
            if np.unique(getattr(layer.neuron, field)).size > 1:
                raise DeployError(f"layer '{layer.name}': {tool.name} has one {field} a population, this has several")
        if np.any(layer.neuron.bias):
            raise DeployError(f"layer '{layer.name}': {tool.name} has no bias; drive it by spikes")
    return exponent
