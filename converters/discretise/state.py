"""What one pass of discretisation knows, and what it has found so far."""

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
    """One pass.

    Attributes:
        network: the calibrated network.
        seen: from :func:`converters.discretise.observe.observe`.
        units: real value of one integer unit of each potential, broadcast shape, filled as the pass goes on.
        formed_by: first values of products' traces, likewise.
    """

    network: Network
    seen: Observed
    units: dict[str, np.ndarray] = field(default_factory=dict)
    formed_by: dict[str, int] = field(default_factory=dict)

    @cached_property
    def windows(self) -> dict[str, Window]:
        """When each node emits."""
        return timeline(self.network).windows


@dataclass(frozen=True)
class FixedPosition(Position):
    """A node of a calibrated network, or its input, as :class:`processes.integers.FixedPosition` asks for it."""

    state: Discretisation

    @property
    def operands(self) -> tuple[FixedPosition, ...]:
        """What it hears, in order."""
        return tuple(FixedPosition(self.network, name, self.state) for name in self.network.nodes[self.name].inputs)

    @property
    def integer_unit(self) -> np.ndarray:
        """Real value of 1 of its integer potential."""
        return self.state.units[self.name]

    @property
    def formed_by(self) -> int | None:
        """First value of the trace with which a product's potential was formed."""
        return self.state.formed_by.get(self.name)

    @property
    def peak(self) -> np.ndarray | None:
        """Largest |potential| of each row; None of what sends spikes."""
        return self.state.seen.peaks.get(self.name)

    @property
    def reach(self) -> float:
        """Largest |potential| of all, or |input|."""
        return self.state.seen.reach(self.name)

    @property
    def norm(self) -> float:
        """Largest Euclidean norm of the values that an output of a synapse with shared weights hears."""
        return self.state.seen.norms[self.name]

    @property
    def window(self) -> Window:
        """Steps in which it emits."""
        return self.state.windows[self.name]

    @property
    def any_unit(self) -> bool:
        """Whether those that hear its potential, past any routes, take any real number as its unit."""
        return all(accepts(op) == "any units" for _, op in readers(self.network, self.name))
