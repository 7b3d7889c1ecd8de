"""Networks that were trained as spiking ones, as a graph of one time step.

A node reads what others sent in the same step, or, where a wire is ``carried``, in the step before. Shapes are those of one
frame as the model was traced with it, its leading axes of length 1 (time and batch) included. Signals of a run are arrays
(samples, *shape). ``processes.spiking.neuron`` has the neurons, ``processes.spiking.steppers`` what steps the other nodes.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from processes.spiking.neuron import Rule


@dataclass(frozen=True)
class Source:
    """The frame that enters."""


@dataclass(frozen=True, eq=False)
class Layout:
    """Moves values and computes nothing: reshapes, permutes, pads with 0, concatenates.

    ``index`` int64 (*shape): where each value lies in the operands, flattened and one behind the other; -1 for 0.
    """

    index: np.ndarray


@dataclass(frozen=True, eq=False)
class Weighted:
    """A layer with synapses: y = W x + b along the last axis, or a convolution over one or two axes.

    Attributes:
        weight: float64 (out, in), or (out, in / groups, *kernel).
        bias: float64 (out,), or None.
        stride, padding, dilation: of a convolution, one for each axis of its kernel.
    """

    weight: np.ndarray
    bias: np.ndarray | None
    stride: tuple[int, ...] = ()
    padding: tuple[int, ...] = ()
    dilation: tuple[int, ...] = ()
    groups: int = 1

    def rows(self, values: np.ndarray) -> np.ndarray:
        """Values of one output each, (out,), in a shape that broadcasts with the output."""
        return values.reshape(-1, *[1] * len(self.stride))


@dataclass(frozen=True, eq=False)
class Affine:
    """y = scale x + shift, value by value; both broadcast with ``shape``."""

    scale: np.ndarray
    shift: np.ndarray


@dataclass(frozen=True)
class Sum:
    """What its operands send, added up: a shortcut of potentials, or of spikes ("ADD")."""


@dataclass(frozen=True)
class Product:
    """The product of two operands within a step: of matrices in their last two axes, or value by value."""

    matrices: bool


@dataclass(frozen=True)
class MaxPool:
    """The largest value of each window of the last two axes; of spikes, whether one of them arrived."""

    kernel: tuple[int, int]
    stride: tuple[int, int]
    padding: tuple[int, int]


@dataclass(frozen=True)
class SumPool:
    """The sum of each window of the last two axes."""

    kernel: tuple[int, int]
    stride: tuple[int, int]
    padding: tuple[int, int]


@dataclass(frozen=True)
class Reduce:
    """The sum along axes of ``shape``, which stay with length 1."""

    axes: tuple[int, ...]


@dataclass(frozen=True)
class Neuron:
    """A population; it sends spikes, or where ``emits`` is not None the state of that number after resets."""

    rule: Rule
    emits: int | None = None


@dataclass(frozen=True)
class Levels:
    """An integer activation ("MultiSpike"): y = round(x), halves to the even number, clipped to 0 .. ``most``.

    Without a state: as many binary spikes as y says, in ``most`` binary steps within the step. ``rounds``: False of a clip that
    nothing rounds, which does not run.
    """

    most: int
    rounds: bool = True


Op = Source | Layout | Weighted | Affine | Sum | Product | MaxPool | SumPool | Reduce | Neuron | Levels


@dataclass(frozen=True)
class Wire:
    """Where an operand comes from; ``carried``: it arrives a step later."""

    source: str
    carried: bool = False


@dataclass(frozen=True)
class Node:
    """An operation, its operands, the shape of its output, and the module of the model that it was."""

    op: Op
    wires: tuple[Wire, ...]
    shape: tuple[int, ...]
    module: str = ""

    @property
    def fires(self) -> bool:
        """Whether it sends spikes: integer activations, and neurons but those that send a state instead."""
        return isinstance(self.op, Levels) or (isinstance(self.op, Neuron) and self.op.emits is None)


@dataclass(frozen=True)
class Graph:
    """Nodes in running order, the one that enters and the one that leaves by name, and the shape of a frame."""

    nodes: dict[str, Node]
    input: str
    output: str
    frame: tuple[int, ...] = ()

    def readers(self) -> dict[str, list[str]]:
        """Who reads each node, once for each wire."""
        found: dict[str, list[str]] = {name: [] for name in self.nodes}
        for name, node in self.nodes.items():
            for wire in node.wires:
                found[wire.source].append(name)
        return found

    def binary(self) -> set[str]:
        """Nodes that send zeros and ones: spikes, moved and pooled spikes, and products of spikes value by value."""
        found: set[str] = set()
        for name, node in self.nodes.items():
            if isinstance(node.op, Neuron):
                spikes = node.op.emits is None
            else:
                kept = isinstance(node.op, Layout | MaxPool) or node.op == Product(matrices=False) or _inverts(node.op)
                spikes = kept and all(wire.source in found for wire in node.wires)
            found |= {name} if spikes else set()
        return found

    def without(self, name: str) -> Graph:
        """The graph without a node of one operand, whose readers read that operand."""
        wire = self.nodes[name].wires[0]
        nodes = {
            other: replace(node, wires=tuple(wire if w.source == name else w for w in node.wires))
            for other, node in self.nodes.items()
            if other != name
        }
        return replace(self, nodes=nodes, output=wire.source if self.output == name else self.output)


def _inverts(op: Op) -> bool:
    """Whether an operation is 1 - x."""
    return isinstance(op, Affine) and bool((op.scale == -1).all() and (op.shift == 1).all())
