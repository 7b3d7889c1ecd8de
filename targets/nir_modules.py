"""This package's operations as PyTorch modules, for ``nirtorch.nir_to_torch``.

nirtorch enters nested graphs, and adds up all inputs of a node in no defined order. So each operation becomes a single
node of its own type, and edges carry messages that keep the operands apart when they are added.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import nir
import numpy as np
import torch

from evaluator.network_file import restore
from processes.network import Network, operation_of
from processes.operation import Operation


@dataclass(eq=False)
class OperationNode(nir.NIRNode):
    """A node that holds an operation of this package; it exists in memory only, not in files.

    Attributes:
        label: the node's name in the network.
        op: the operation.
        operands: names of the nodes that it reads, in order.
        input_shape, input_unit: of the network's input; the unit is None in floating point.
    """

    label: str
    op: Operation
    operands: list[str]
    input_shape: tuple[int, ...]
    input_unit: float | None

    def __post_init__(self) -> None:
        self.input_type = self.output_type = {"input": np.array(self.op.shape)}


class Message:
    """Values of one or several nodes, by the sending node's name; the sum of two messages holds the values of both."""

    def __init__(self, values: dict[str, torch.Tensor]) -> None:
        self.values = values

    @classmethod
    def of(cls, x: Message | torch.Tensor) -> Message:
        """Wrap ``x``: a tensor is the value of the network's input, a message stays as it is."""
        return x if isinstance(x, Message) else cls({Network.INPUT: x})

    @classmethod
    def __torch_function__(cls, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Message:
        """Implement torch.add, by which nirtorch joins edges; TypeError for any other function."""
        if function is not torch.add:
            raise TypeError(f"{function} of messages between operations; only their sum is defined")
        first, second = (cls.of(x) for x in args)
        return cls(first.values | second.values)


class OperationModule(torch.nn.Module):
    """Evaluates the closed form of one operation; a call covers a whole time window.

    Messages hold codes (planes, N, *shape), integers, or potentials (N, *shape). The readout returns a tensor in real
    units.
    """

    def __init__(self, node: OperationNode, dtype: torch.dtype) -> None:
        super().__init__()
        self.node, self.dtype = node, dtype

    @torch.no_grad()
    def forward(self, x: Message | torch.Tensor) -> Message | torch.Tensor:
        """Apply the operation to its operands, which it picks from the message by name."""
        values, op = Message.of(x).values, self.node.op
        names = self.node.operands
        operands = [self._encoded(values[name]) if name == Network.INPUT else values[name] for name in names]
        y = op.closed_form(*operands, dtype=self.dtype).values
        if op.name == "readout":
            return y * torch.tensor(op.unit)  # type: ignore[attr-defined]
        return Message({self.node.label: y})

    def _encoded(self, x: torch.Tensor) -> torch.Tensor:
        """The network's input (N, ...) in its shape; in fixed point int32 in the input's unit."""
        unit, x = self.node.input_unit, x.reshape(len(x), *self.node.input_shape)
        return x.to(self.dtype) if unit is None else torch.round(x.double() / unit).to(torch.int32)


NodeMap = dict[type[nir.NIRNode], Callable[[Any], torch.nn.Module]]


def nir_modules(graph: nir.NIRGraph, dtype: torch.dtype = torch.float32) -> tuple[nir.NIRGraph, NodeMap]:
    """Convert a graph that ``deploy export`` wrote to (graph, node_map) for ``nirtorch.nir_to_torch(graph, node_map)``.

    That module takes (N, *input) in real units and returns the readout in real units, and a state to be ignored::

        graph, node_map = deploy.nir_modules(nir.read("net.nir", type_check=False))
        logits, _ = nirtorch.nir_to_torch(graph, node_map)(images)

    Raises:
        DeployError: the graph is not a network of this package and version.
    """
    network = restore(graph)
    unit = network.header.input_unit
    nodes: dict[str, nir.NIRNode] = {}
    for name, node in graph.nodes.items():
        if isinstance(node, nir.Input):
            nodes[name] = nir.Input({"input": np.array(network.input_shape)})
        elif isinstance(node, nir.Output):
            nodes[name] = node
        else:
            nodes[name] = OperationNode(name, *operation_of(name, node), network.input_shape, unit)
    return nir.NIRGraph(nodes, list(graph.edges), type_check=False), {
        OperationNode: lambda node: OperationModule(node, dtype)
    }
