"""Traits with what an operation occupies on a chip, answered in its ``footprint.py``: neurons, state and connections.

Operations that send currents (synapses, products) have no neurons of their own; they say how they connect those that
integrate the currents. :mod:`processes.populations` puts a network's populations together from these answers.
"""

from __future__ import annotations

from typing import Any, Literal, NamedTuple

import numpy as np

from processes.chips import Chip
from processes.traits import Trait

WORD_BITS = 32  # of neuron state and tables; ours: a 24-bit potential or a mantissa with its shift

Shape = tuple[int, ...]


class Amount(NamedTuple):
    """A quantity that grows with a tile of r rows by c columns: core + row * r + column * c + neuron * r * c."""

    core: int = 0
    row: int = 0
    column: int = 0
    neuron: int = 0

    def of(self, rows: int, columns: int) -> int:
        """The quantity of a tile of so many rows and columns."""
        return self.core + self.row * rows + self.column * columns + self.neuron * rows * columns


class Neurons(NamedTuple):
    """What a population consists of besides one neuron for each of its values.

    Attributes:
        state: words of state, thresholds and tables, 32 bits each: potentials per neuron, thresholds per column, tables
            over the steps of a window once.
        row_neuron: whether each row has a neuron of its own, which sends to all neurons of the row.
        gathers: what the row's neuron takes from each neuron of the row by messages of its own: ``operand``, what that
            neuron is sent (for a mean); ``potentials``, which a relay beside each neuron sends (for the largest, as a
            neuron has one list of targets, and softmax's potentials do not go where its spikes go); None: nothing.
        row_operand: number of the operand that reaches the row's own neuron instead of the neurons of the row.
    """

    state: Amount
    row_neuron: bool = False
    gathers: Literal["operand", "potentials"] | None = None
    row_operand: int | None = None


class Fan(NamedTuple):
    """How one operand reaches the neurons that integrate it.

    Attributes:
        kind: dense, convolution, scale, trace, sum or message.
        fan_in: synapses of one neuron (of one row neuron, if ``to_row``).
        inputs: distinct source neurons that a tile listens to, at most.
        stored: numbers that a tile stores where rows share weights (operands share traces), of ``bits`` bits.
        reach: rows and columns of the reader in which one source neuron has synapses, at most.
        to_row: whether the connection ends in the row's own neuron.
    """

    kind: str
    fan_in: int
    inputs: Amount
    stored: Amount
    bits: int
    reach: tuple[int, int] = (1, 1)
    to_row: bool = False


neurons: Trait[[int], Neurons] = Trait("footprint", "what neurons it takes")
"""The neurons of an operation, given its number of operands."""

fans: Trait[[int, Shape, int, Chip], tuple[Fan, ...]] = Trait("footprint", "how operands reach its neurons")
"""How an operand reaches the neurons, given its number, its sample shape, the reader's columns and the chip."""

drivers: Trait[[int, np.ndarray], np.ndarray] = Trait("footprint", "which source neurons drive each of its outputs")
"""Source neurons of every output, (outputs, fan-in), given the operand's number and the source neuron behind each of
its values, (*shape); -1 stands for none (padding)."""

layout: Trait[[], Literal["rows", "pixels", "groups"]] = Trait("footprint", "how neurons behind it are laid out")
"""rows: tokens x features; pixels: pixels x channels of a convolution; groups: rows in groups that share a product's
second operand."""

NO_NEURONS = "it sends currents to the neurons of its reader and has none of its own"
NO_SYNAPSES = "messages reach its neurons one to one, without synapses"


def message(op: Any, operand: int, shape: Shape, columns: int, chip: Chip) -> tuple[Fan, ...]:
    """Connection by messages, each from one neuron to one: graded spikes, and the network's input."""
    return (Fan("message", 1, Amount(neuron=1), Amount(core=1), chip.weight_bits),)


def further_thresholds(after: np.ndarray | None) -> int:
    """Number of thresholds for further spikes of one class of neurons, from ``after`` (classes, prefixes, ..., T)."""
    return 0 if after is None else after[0].size
