"""The state of one pass of discretisation: what was observed, and the units found so far."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from converters.discretise.observe import Observed
from converters.positions import Position, readers
from evaluator.timeline import timeline
from processes.calibration import accepts
from processes.network import Network
from processes.operation import Window


@dataclass
class Discretisation:
    """The state of one pass over a calibrated network.

    Attributes:
        network: the calibrated network.
        seen: from :func:`converters.discretise.observe.observe`.
        units: by node, the real value of 1 of its integer potential, broadcast shape; filled as the pass goes on.
        formed_by: by product, the first value of the integer trace that forms its potential; filled as the pass goes
            on.
    """

    network: Network
    seen: Observed
    units: dict[str, np.ndarray] = field(default_factory=dict)
    formed_by: dict[str, int] = field(default_factory=dict)

    @cached_property
    def windows(self) -> dict[str, Window]:
        """The steps of a sample in which each node emits, by name."""
        return timeline(self.network).windows


@dataclass(frozen=True)
class FixedPosition(Position):
    """A node of a calibrated network, or its input; implements :class:`processes.integers.FixedPosition`."""

    state: Discretisation

    @property
    def operands(self) -> tuple[FixedPosition, ...]:
        """The positions of the node's operands, in order."""
        return tuple(FixedPosition(self.network, name, self.state) for name in self.network.nodes[self.name].inputs)

    @property
    def integer_unit(self) -> np.ndarray:
        """Real value of 1 of the node's integer potential, broadcast shape."""
        return self.state.units[self.name]

    @property
    def formed_by(self) -> int | None:
        """First value of the trace with which a product's potential is formed; None for other nodes."""
        return self.state.formed_by.get(self.name)

    @property
    def peak(self) -> np.ndarray | None:
        """Largest |potential| for each feature, real, broadcast shape; None for nodes that send spikes."""
        return self.state.seen.peaks.get(self.name)

    @property
    def reach(self) -> float:
        """Largest |potential| of all the node's neurons, real, or largest |input|."""
        return self.state.seen.reach(self.name)

    @property
    def norm(self) -> float:
        """Largest Euclidean norm of the values that one output of a synapse with shared weights reads."""
        return self.state.seen.norms[self.name]

    @property
    def window(self) -> Window:
        """The steps of a sample in which the node emits."""
        return self.state.windows[self.name]

    @property
    def any_unit(self) -> bool:
        """Whether all readers of the node's potential, past any routes, take any real number as its unit."""
        return all(accepts(op) == "any units" for _, op in readers(self.network, self.name))
