"""Scales that let integer weights use their bits.

The weights of a row share an exponent, which the largest weight decides, so that a small weight keeps few bits.
Doubling the scale of an input doubles the weight and halves the value, so that rounding this weight matters half as
much. It costs the ln 2 / ln B levels at the top of the code; at most an eighth of the window is spent so. Which is
worth more depends on the codes: with several spikes :func:`converters.pipeline.convert_module` keeps what suits
held-back samples; with one spike, whose code has no levels to spare, scales stay (at T = 40 a MiniLM would err 7 %
less, but a small Swin 30 % more).
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from converters.scales import places, scale_of, share_weights
from processes.calibration import factors, rescaled, used
from processes.network import Network
from processes.operation import Operation
from processes.phase_code import PhaseCode


def balance(network: Network, codes: Mapping[str, PhaseCode]) -> None:
    """Raise the scales of neurons that only synapses read, in place, before scales are folded into weights.

    A scale grows by the inverse of its largest weight's share of the row's largest weight, at most by B^(T / 8).

    Args:
        network: with scales.
        codes: B and T by firing node.
    """
    for name, share in _shares(network).items():
        op, scale = network[name], scale_of(network, name)
        code = codes[name]
        factor = 1 / share.clip(code.base ** (-code.steps / 8), 1)
        if factors(op) == "octaves":
            factor = 2.0 ** np.floor(np.log2(factor))
        network.put(name, rescaled(op, scale * factor.reshape(scale.shape)))
    share_weights(network)


def _shares(network: Network) -> dict[str, np.ndarray]:
    """By firing node that only synapses read, the largest share of a row's largest weight for each scale, (scales,)."""
    shares: dict[str, np.ndarray] = {}
    tied: set[str] = set()
    for name, node in network:
        for operand in node.inputs:
            origin = network.origin(operand)
            if network.origin(name) != name or origin == Network.INPUT or not _free(network[origin]):
                continue
            share = shares.setdefault(origin, np.zeros(scale_of(network, origin).size))
            gains = used(node.op, scale_of(network, operand))
            if gains is None:
                tied.add(origin)  # to other scales, or to powers of two, by a product
                continue
            where = places(network, operand)
            np.maximum.at(share, where.reshape(-1), np.broadcast_to(gains, where.shape).reshape(-1))
    return {name: share for name, share in shares.items() if name not in tied}


def _free(op: Operation) -> bool:
    """Whether an operation is a neuron with a code of its own whose scale may be raised."""
    return op.fires and not op.passes_on and factors(op) != "none"
