"""Rounding the weights of a trained network together, on what arrives at each layer in a run of calibration data.

The formula is that of conversions, :mod:`converters.discretise.rounding`: errors of a row's weights make up for each other
as far as spikes are correlated, and what remains on average goes into the bias.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch

from converters.discretise.rounding import Moments, moments_of, round_together
from processes.spiking import Graph, Weighted
from processes.spiking.steppers import patches


class Together:
    """Watches a run in floating point, then rounds layer by layer.

    Attributes:
        moments: by layer, of the values that its weights meet, in real units.
    """

    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self.moments: dict[str, Moments] = {}
        self.before: Mapping[str, np.ndarray | None] = {}

    def see(self, messages: Mapping[str, np.ndarray | None]) -> None:
        """The messages (samples, *shape) of all nodes in one step."""
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
        """Integers for a layer's weights and what its bias lacks then; to nearest where nothing arrived."""
        return round_together(weight, limit, self.moments.get(name))


def _rows(op: Weighted, x: np.ndarray) -> np.ndarray:
    """(groups, rows, n): what the weights of a layer meet at each position."""
    if not op.stride:
        return x.reshape(1, -1, x.shape[-1])
    found = patches(op, x)
    return found.transpose(1, 0, 3, 2).reshape(op.groups, -1, found.shape[2])
