"""Rounding the weights of a trained spiking network together, by what arrives at each layer on calibration data.

The method is that of :mod:`converters.discretise.rounding`: the errors of a row's weights compensate each other as far
as spikes are correlated, and the error that remains on average goes into the bias.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch

from converters.discretise.rounding import Moments, moments_of, round_together
from processes.spiking import Graph, Weighted
from processes.spiking.steppers import patches


class Together:
    """Gathers moments during a run in floating point, and then rounds the weights of one layer after the other.

    Attributes:
        graph: the captured network.
        moments: by layer, moments of the values that its weights are multiplied by, in real units.
        before: the messages of the previous step, which recurrent connections carry.
    """

    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self.moments: dict[str, Moments] = {}
        self.before: Mapping[str, np.ndarray | None] = {}

    def see(self, messages: Mapping[str, np.ndarray | None]) -> None:
        """Add one step's messages (samples, *shape) by node to the moments; None where a node sent nothing."""
        for name, node in self.graph.nodes.items():
            if not isinstance(node.op, Weighted):
                continue
            (wire,) = node.wires
            x = (self.before if wire.carried else messages).get(wire.source)
            if x is not None:
                found = moments_of(torch.from_numpy(_rows(node.op, np.array(x, np.float64))))
                self.moments[name] = self.moments[name] + found if name in self.moments else found
        self.before = messages

    def rounded(self, name: str, weight: np.ndarray, limit: int) -> tuple[np.ndarray, np.ndarray]:
        """Integers within +-limit for a layer's weights, in units of the mantissas, and what to add to its bias (out,).

        Weights at which nothing arrived are rounded to nearest.
        """
        return round_together(weight, limit, self.moments.get(name))


def _rows(op: Weighted, x: np.ndarray) -> np.ndarray:
    """The n values (groups, rows, n) that a layer's weights are multiplied by at each position of each sample."""
    if not op.stride:
        return x.reshape(1, -1, x.shape[-1])
    found = patches(op, x)
    return found.transpose(1, 0, 3, 2).reshape(op.groups, -1, found.shape[2])
