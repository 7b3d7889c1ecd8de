"""Networks that were trained as spiking networks, as a graph of the operations of one time step.

A node reads what its operands sent in the same time step or, where a wire is ``carried``, in the step before. A shape
is that of one frame, as the model was traced with it, leading axes of length 1 (time and batch) included. The signals
of a run are arrays (samples, *shape). ``processes.spiking.neuron`` holds the neurons, ``processes.spiking.steppers``
the steppers of all other nodes.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from processes.spiking.neuron import Rule


@dataclass(frozen=True)
class Source:
    """The input node: it sends the frame of the present time step."""


@dataclass(frozen=True, eq=False)
class Layout:
    """Moves values without arithmetic: reshape, permute, pad with 0, concatenate.

    Attributes:
        index: int64 (*shape), position of each output value in the concatenated flattened operands; -1 for 0.
    """

    index: np.ndarray


@dataclass(frozen=True, eq=False)
class Weighted:
    """A layer with synapses: y = W x + b along the last axis, or a convolution over one or two axes.

    Attributes:
        weight: float64 (out, in), or (out, in / groups, *kernel).
        bias: float64 (out,), or None.
        stride, padding, dilation: of a convolution, one number for each axis of its kernel; () for a linear layer.
        groups: of a convolution.
    """

    weight: np.ndarray
    bias: np.ndarray | None
    stride: tuple[int, ...] = ()
    padding: tuple[int, ...] = ()
    dilation: tuple[int, ...] = ()
    groups: int = 1

    def rows(self, values: np.ndarray) -> np.ndarray:
        """Values (out,), one for each output or channel, in a shape that broadcasts with the output."""
        return values.reshape(-1, *[1] * len(self.stride))


@dataclass(frozen=True, eq=False)
class Affine:
    """y = scale x + shift, value by value; ``scale`` and ``shift`` broadcast with the shape of the node."""

    scale: np.ndarray
    shift: np.ndarray


@dataclass(frozen=True)
class Sum:
    """The sum of all operands: a residual shortcut that adds potentials, or spikes (the "ADD" shortcut)."""


@dataclass(frozen=True)
class Product:
    """The product of two operands in one time step: a matrix product over the last two axes, else value by value."""

    matrices: bool


@dataclass(frozen=True)
class MaxPool:
    """The maximum of each window over the last two axes; for binary spikes, 1 if any neuron of the window fires."""

    kernel: tuple[int, int]
    stride: tuple[int, int]
    padding: tuple[int, int]


@dataclass(frozen=True)
class SumPool:
    """The sum of each window over the last two axes."""

    kernel: tuple[int, int]
    stride: tuple[int, int]
    padding: tuple[int, int]


@dataclass(frozen=True)
class Reduce:
    """The sum along ``axes`` of the operand's shape, which keep length 1 in the output."""

    axes: tuple[int, ...]


@dataclass(frozen=True)
class Neuron:
    """A population of neurons. It sends spikes or, if ``emits`` is an index, that state of ``rule`` after resets."""

    rule: Rule
    emits: int | None = None


@dataclass(frozen=True)
class Levels:
    """An integer activation ("MultiSpike"): y = round(x), halves to the even number, clipped to 0 .. ``most``.

    It has no state. y stands for y binary spikes in ``most`` binary steps within the time step.

    Attributes:
        most: the largest value.
        rounds: False for a clip that the model does not round; a network with such a node cannot be run.
    """

    most: int
    rounds: bool = True


Op = Source | Layout | Weighted | Affine | Sum | Product | MaxPool | SumPool | Reduce | Neuron | Levels


@dataclass(frozen=True)
class Wire:
    """The source node of an operand; if ``carried``, its message arrives one time step after it was sent."""

    source: str
    carried: bool = False


@dataclass(frozen=True)
class Node:
    """An operation, its operands, its output's shape, and the name of the model's module that it was made from."""

    op: Op
    wires: tuple[Wire, ...]
    shape: tuple[int, ...]
    module: str = ""

    @property
    def fires(self) -> bool:
        """Whether the node sends spikes: an integer activation, or a neuron that does not send a state instead."""
        return isinstance(self.op, Levels) or (isinstance(self.op, Neuron) and self.op.emits is None)


@dataclass(frozen=True)
class Graph:
    """Nodes by name in the order of execution, the names of the input and output nodes, and the shape of a frame."""

    nodes: dict[str, Node]
    input: str
    output: str
    frame: tuple[int, ...] = ()

    def readers(self) -> dict[str, list[str]]:
        """The readers of each node by name; a node that reads another through several wires is listed once for each."""
        found: dict[str, list[str]] = {name: [] for name in self.nodes}
        for name, node in self.nodes.items():
            for wire in node.wires:
                found[wire.source].append(name)
        return found

    def binary(self) -> set[str]:
        """Names of the nodes that send only 0 and 1.

        These are spiking neurons, and layouts, max pooling, value-by-value products and 1 - x of binary operands.
        """
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
        """The graph without node ``name``, which has one operand; its readers read that operand instead."""
        wire = self.nodes[name].wires[0]
        nodes = {
            other: replace(node, wires=tuple(wire if w.source == name else w for w in node.wires))
            for other, node in self.nodes.items()
            if other != name
        }
        return replace(self, nodes=nodes, output=wire.source if self.output == name else self.output)


def _inverts(op: Op) -> bool:
    """Whether an operation is y = 1 - x."""
    return isinstance(op, Affine) and bool((op.scale == -1).all() and (op.shift == 1).all())
