"""Where an operation stands in a network that is being calibrated: what it hears, and what others hear from it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from processes import calibration
from processes.network import Network
from processes.operation import Operation
from processes.phase_code import PhaseCode


@dataclass(frozen=True)
class Position:
    """A node of a network, or its input, as :class:`processes.calibration.Position` asks for it.

    Nothing is kept: the network may change between two questions.
    """

    network: Network
    name: str

    @property
    def op(self) -> Operation:
        """The node's operation."""
        return self.network[self.name]

    @property
    def operands(self) -> tuple[Position, ...]:
        """What it hears, in order."""
        return tuple(Position(self.network, name) for name in self.network.nodes[self.name].inputs)

    @property
    def shape(self) -> tuple[int, ...]:
        """Sample shape."""
        return self.network.shape(self.name)

    @property
    def code(self) -> PhaseCode:
        """Code of the spikes that come from here."""
        return self.network.code(self.name)

    @property
    def spikes(self) -> int:
        """Most spikes of a neuron in a window."""
        return self.network.spikes(self.name)

    @property
    def scale(self) -> np.ndarray:
        """Real value of a spike at k = 0."""
        return calibration.worth(self.op, self)

    @property
    def unit(self) -> np.ndarray:
        """Real value of one unit of potential: 1 but for products, whose operands' scales stay in it."""
        if self.name == Network.INPUT:
            return np.ones((1,) * len(self.shape))
        return calibration.unit(self.op, self)

    @property
    def compared(self) -> bool:
        """Whether, past any routes, a softmax compares its potentials with each other."""
        return any(calibration.accepts(op) == "equal units" for _, op in readers(self.network, self.name))


def readers(network: Network, name: str) -> list[tuple[str, Operation]]:
    """Nodes that hear ``name`` past any routes, and their operations."""
    found: list[tuple[str, Operation]] = []
    for reader in network.readers(name):
        if network.origin(reader) == reader:
            found.append((reader, network[reader]))
        else:
            found += readers(network, reader)
    return found
