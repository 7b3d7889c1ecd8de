"""An operation's position in a network that is being calibrated: its operands, and what its readers get from it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from processes import calibration
from processes.network import Network
from processes.operation import Operation
from processes.phase_code import PhaseCode


@dataclass(frozen=True)
class Position:
    """A node of a network, or its input; implements :class:`processes.calibration.Position`.

    Every property is looked up in the network anew, which may change between two uses.

    Attributes:
        network: the network, with scales.
        name: of the node, or ``Network.INPUT``.
    """

    network: Network
    name: str

    @property
    def op(self) -> Operation:
        """The node's operation."""
        return self.network[self.name]

    @property
    def operands(self) -> tuple[Position, ...]:
        """The positions of the node's operands, in order."""
        return tuple(Position(self.network, name) for name in self.network.nodes[self.name].inputs)

    @property
    def shape(self) -> tuple[int, ...]:
        """Sample shape."""
        return self.network.shape(self.name)

    @property
    def code(self) -> PhaseCode:
        """Code of the spikes that come from this node, past any routes."""
        return self.network.code(self.name)

    @property
    def spikes(self) -> int:
        """Most spikes in a window of a neuron whose spikes come from this node."""
        return self.network.spikes(self.name)

    @property
    def scale(self) -> np.ndarray:
        """Real value of a spike at k = 0 that comes from this node, broadcast shape."""
        return calibration.worth(self.op, self)

    @property
    def unit(self) -> np.ndarray:
        """Real value of one unit of potential, broadcast shape: 1 but for products, which keep operands' scales."""
        if self.name == Network.INPUT:
            return np.ones((1,) * len(self.shape))
        return calibration.unit(self.op, self)

    @property
    def compared(self) -> bool:
        """Whether a softmax compares this node's potentials with each other, past any routes."""
        return any(calibration.accepts(op) == "equal units" for _, op in readers(self.network, self.name))


def readers(network: Network, name: str) -> list[tuple[str, Operation]]:
    """Nodes that read ``name``, directly or through routes, and their operations; routes are left out."""
    found: list[tuple[str, Operation]] = []
    for reader in network.readers(name):
        if network.origin(reader) == reader:
            found.append((reader, network[reader]))
        else:
            found += readers(network, reader)
    return found
