"""What one pass of discretisation knows, and what it has found so far."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from converters.discretise.observe import Observed
from converters.ingredients import Ingredients
from converters.scales import unit_of
from evaluator.timeline import timeline
from processes.chips import Chip
from processes.network import Network
from processes.operation import Window


@dataclass
class Discretisation:
    """One pass.

    Attributes:
        network: the calibrated network.
        seen: from :func:`converters.discretise.observe.observe`.
        coarser: bits of resolution to give up, by node.
        ingredients: how weights are rounded, and what potentials are in units of.
        units: real value of one unit of each potential, broadcast shape, filled as the pass goes on.
    """

    network: Network
    chip: Chip
    seen: Observed
    coarser: dict[str, int]
    ingredients: Ingredients
    units: dict[str, np.ndarray] = field(default_factory=dict)

    @cached_property
    def windows(self) -> dict[str, Window]:
        """When each node emits."""
        return timeline(self.network).windows

    def arriving(self, name: str) -> np.ndarray:
        """The unit of a node's first operand."""
        return self.units[self.network.nodes[name].inputs[0]]

    def finer(self, name: str) -> np.ndarray:
        """By how much that unit shrank, (P, 1): units of floating point are the product's own."""
        own = unit_of(self.network, self.network.nodes[name].inputs[0])
        return own.reshape(-1, 1) / self.arriving(name).reshape(-1, 1)
