"""Runs populations of LIF neurons as Lava's own Dense and LIF Processes, which Lava's compiler accepts for the chip.

    host's spikes -> Dense -> LIF -> Dense -> LIF ... -> host

The same Processes run on the CPU with Lava's bit-accurate models (``Loihi2SimCfg``) and on the chip (``Loihi2HwCfg``,
with Intel's lava-loihi). On the chip spikes enter and leave through lava-loihi's adapters; that path is untested.
"""

from __future__ import annotations

import importlib
from typing import Any, Literal

import numpy as np

from processes.errors import DeployError
from targets import probes
from targets.segments import Layer, exponent_of

On = Literal["cpu", "chip"]
"""Where the Processes run: Lava's CPU simulator, or Loihi 2."""


def run_lif_network(layers: list[Layer], spikes: np.ndarray, on: On = "cpu") -> np.ndarray:
    """Run the layers in Lava and return the last one's spikes, bool (steps, neurons).

    Every Dense delays spikes by a step. The first delay is taken off again; the last of n layers lags by n - 1 steps.

    Args:
        layers: synapses and LIF populations, in order.
        spikes: the host's spikes into the first layer, bool (steps, sources).
        on: the CPU simulator or the chip.

    Raises:
        DeployError: Lava's Processes cannot hold a layer's weights or neurons, or lava-loihi is missing for the chip.
    """
    if on == "chip" and not (state := probes.loihi2()).available:
        raise DeployError(f"target loihi2 is not available here: {state.reason}; {state.remedy}")
    importlib.import_module("processes.lava")  # has to be imported before anything of Lava's
    from lava.magma.core.run_conditions import RunSteps
    from lava.magma.core.run_configs import Loihi2HwCfg, Loihi2SimCfg
    from lava.proc.io.sink import RingBuffer as Sink
    from lava.proc.io.source import RingBuffer as Source

    steps = len(spikes) + 1
    data = np.concatenate([spikes, np.zeros((1, spikes.shape[1]), bool)]).T.astype(np.int32)
    source, sink = Source(data=data), Sink(shape=(len(layers[-1].weight),), buffer=steps)
    previous = _adapter(source, "PyToNxAdapter", spikes.shape[1]) if on == "chip" else source.s_out
    for layer in layers:
        previous = _population(layer, previous)
    if on == "chip":
        adapter = _embedded_io().spike.NxToPyAdapter(shape=(len(layers[-1].weight),))
        previous.connect(adapter.inp)
        previous = adapter.out
    previous.connect(sink.a_in)
    config: Any = Loihi2HwCfg() if on == "chip" else Loihi2SimCfg(select_tag="fixed_pt")
    source.run(condition=RunSteps(num_steps=steps), run_cfg=config)
    try:
        return sink.data.get().T[1:].astype(bool)
    finally:
        source.stop()


def _population(layer: Layer, spikes: Any) -> Any:
    """Connect a LIF behind one Dense for positive weights and one for negative ones, as mixed signs lose the last bit.

    Returns the LIF's output port.
    """
    from lava.proc.dense.process import Dense
    from lava.proc.lif.process import LIF

    exponent, neuron = exponent_of("Lava", layer), layer.neuron
    for name in ("du", "dv", "vth"):
        if np.unique(getattr(neuron, name)).size > 1:
            raise DeployError(f"layer '{layer.name}': Lava's LIF has one {name} a population, this has several")
    du, dv, vth = (int(np.reshape(getattr(neuron, name), -1)[0]) for name in ("du", "dv", "vth"))
    size = len(layer.weight)
    bias = np.broadcast_to(np.asarray(neuron.bias, np.int32), (size,))
    lif = LIF(shape=(size,), du=du, dv=dv, vth=vth, bias_mant=bias)
    for sign in (1, -1):
        mantissa = np.maximum(sign * (layer.weight >> exponent), 0) * sign
        if mantissa.any():
            dense = Dense(
                weights=mantissa, weight_exp=exponent - neuron.chip.align_bits, num_weight_bits=neuron.chip.weight_bits
            )
            spikes.connect(dense.s_in)
            dense.a_out.connect(lif.a_in)
    return lif.s_out


def _embedded_io() -> Any:
    """Import lava-loihi's adapters of spikes between the host and the chip."""
    return importlib.import_module("lava.proc.embedded_io")


def _adapter(source: Any, name: str, size: int) -> Any:
    adapter = getattr(_embedded_io().spike, name)(shape=(size,))
    source.s_out.connect(adapter.inp)
    return adapter.out
