"""Scales that let integer weights use their bits.

A row's weights share an exponent, which the largest decides: what is multiplied by a small weight is known to few bits.
Twice the scale of an input is twice the weight and half the value, so that rounding this weight matters half as much. It
costs the ln 2 / ln B levels at the top of the code; an eighth of the window is spent so. Which is worth more depends on the
codes: with several spikes :func:`converters.pipeline.convert_module` keeps what suits held-back samples; with one, which has
no levels to spare, scales stay (at T = 40 a MiniLM would err 7 % less, but a small Swin 30 % more).
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from converters.fold import columns
from converters.scales import Firing, places, scale_of, with_scale
from processes.network import ConvSynapse, DenseSynapse, Network, PhaseNeuron, Route, ScaleSynapse, Synapse
from processes.phase_neuron.schedule import LINEAR


def balance(network: Network, bases: Mapping[str, float], steps: int) -> None:
    """Raise scales in place, before they are folded into weights.

    Args:
        network: with scales.
        bases: B by firing node.
        steps: T.
    """
    for name, share in _shares(network).items():
        op, scale = network[name], scale_of(network, name)
        factor = 1 / share.clip(bases[name] ** (-steps / 8), 1)
        if isinstance(op, PhaseNeuron) and op.schedule.function not in LINEAR:  # its tables come one per power of two
            factor = 2.0 ** np.floor(np.log2(factor))
        network.put(name, with_scale(op, scale * factor.reshape(scale.shape)))


def _shares(network: Network) -> dict[str, np.ndarray]:
    """For firing nodes that only synapses read, the largest share of its row's largest weight by scale, (scales,)."""
    shares: dict[str, np.ndarray] = {}
    tied: set[str] = set()
    for _, node in network:
        for operand in node.inputs:
            origin = network.origin(operand)
            if origin == Network.INPUT or not isinstance(network[origin], Firing) or isinstance(node.op, Route):
                continue
            share = shares.setdefault(origin, np.zeros(scale_of(network, origin).size))
            if isinstance(node.op, DenseSynapse | ConvSynapse):
                where = places(network, operand)
                where = np.moveaxis(where, 1, -1) if isinstance(node.op, ConvSynapse) else where
                used = np.broadcast_to(_used(node.op, scale_of(network, operand).reshape(-1)), where.shape)
                np.maximum.at(share, where.reshape(-1), used.reshape(-1))
            elif not isinstance(node.op, ScaleSynapse):
                tied.add(origin)  # to other scales, or to powers of two, by a product
    return {name: share for name, share in shares.items() if name not in tied}


def _used(op: Synapse, scale: np.ndarray) -> np.ndarray:
    """The largest share that each input channel's weights have of their row's largest weight, (channels,)."""
    weight = np.abs(columns(op, scale))
    weight = weight.reshape(len(weight), weight.shape[1], -1).max(2)
    relative = weight / np.maximum(weight.max(1, keepdims=True), 1e-30)
    groups = op.groups if isinstance(op, ConvSynapse) else 1
    return relative.reshape(groups, -1, relative.shape[1]).max(1).reshape(-1)
