"""The spiking network as an ordered set of operations, and its two-way translation to a NIR graph.

``nir.NIRGraph`` is what passes between converters, targets and files. Dense and convolutional synapses are NIR's own
Affine and Conv2d; every other operation is a nested NIRGraph whose metadata names it and holds its parameters, so that
any NIR reader can open the file and :meth:`Network.from_nir` restores it exactly. Node names carry a running number
because NIR sorts nodes by name; the order of operands stands in the metadata.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar, TypeVar

import nir
import numpy as np
from typing_extensions import Self

from processes.errors import DeployError
from processes.header import Header, Precision
from processes.memory import give_back
from processes.operation import REGISTRY, VERSION, Operation, from_metadata, to_metadata
from processes.operations import (
    Centre,
    ConvSynapse,
    DenseSynapse,
    DynamicThreshold,
    ElementwiseProduct,
    IfNeuron,
    MaxPool,
    PhaseNeuron,
    RateNeuron,
    Readout,
    Residual,
    Route,
    ScaleSynapse,
    SiExp,
    SiNeuron,
    SiNorm,
    SquareSum,
    TraceProduct,
    Winners,
    Woss,
)
from processes.phase_code import PhaseCode
from processes.synapse import Synapse

__all__ = [
    "CalibratedNetwork", "Centre", "ConvSynapse", "DenseSynapse", "DynamicThreshold", "ElementwiseProduct", "FixedPointNetwork",
    "IfNeuron", "LoweredNetwork", "MaxPool", "Network", "Node", "PhaseNeuron", "RateNeuron", "Readout", "Residual", "Route",
    "ScaleSynapse", "ScaledNetwork", "SiExp", "SiNeuron", "SiNorm", "SquareSum", "TraceProduct", "Winners", "Woss",
]  # fmt: skip

NATIVE = {"weight", "bias", "stride", "padding", "dilation", "groups"}  # fields that NIR's own nodes hold


@dataclass(frozen=True)
class Node:
    """An operation and the names of its operands, in order."""

    op: Operation
    inputs: tuple[str, ...]


@dataclass
class Network:
    """Nodes in topological order, between one input and one readout.

    Attributes:
        input_shape: sample shape of the input.
        nodes: name -> Node; operands come before those that use them.
        header: what is decided for the whole network (base, steps, precision, ...).
        units: real value of one unit of each node's potential, broadcast shape, known after discretisation; not part
            of the NIR graph.
    """

    input_shape: tuple[int, ...]
    nodes: dict[str, Node] = field(default_factory=dict)
    header: Header = field(default_factory=Header)
    units: dict[str, np.ndarray] = field(default_factory=dict)

    INPUT = "input"
    """Name of the network's input among the operands of nodes."""
    PRECISION: ClassVar[Precision | None] = None
    """Precision in the header of a network of this stage; None before codes are chosen."""
    STATES: ClassVar[tuple[str, ...]] = ()
    """Fields that the header of a network of this stage has to state."""

    def __post_init__(self) -> None:
        self.check_header()

    def check_header(self) -> None:
        """Check that the header states what the network's stage requires; a plain Network requires nothing.

        Raises:
            DeployError: the precision is another, or a field in ``STATES`` is missing.
        """
        if type(self) is Network:
            return
        what = f"the header of a {type(self).__name__}"
        if self.header.precision != self.PRECISION:
            raise DeployError(f"{what} has precision {self.PRECISION}; this one has {self.header.precision}")
        if missing := self.header.missing(self.STATES):
            made = f"one that {MADE_BY[type(self)]} made does"
            raise DeployError(f"{what} does not state {', '.join(missing)}; {made}")

    def __iter__(self) -> Iterator[tuple[str, Node]]:
        return iter(self.nodes.items())

    def __getitem__(self, name: str) -> Operation:
        return self.nodes[name].op

    def add(self, name: str, op: Operation, *inputs: str) -> str:
        """Append a node under ``name``, made unique by a number; return its name."""
        unique, n = name, 1
        while unique in self.nodes or unique == self.INPUT:
            n += 1
            unique = f"{name}_{n}"
        self.nodes[unique] = Node(op, inputs)
        return unique

    def copy(self) -> Self:
        """Return a shallow copy: the same operations in a table of its own, so that nodes can be replaced."""
        return self.at(type(self))

    def at(self, stage: type[Stage], header: Header | None = None) -> Stage:
        """Return a network of the same operations at another stage, with ``header`` or else this network's own.

        The operations are not checked: the caller guarantees that they are what the stage requires.

        Raises:
            DeployError: the header does not state what the stage requires.
        """
        return stage(self.input_shape, dict(self.nodes), header or self.header, dict(self.units))

    def release(self) -> None:
        """Free what operations keep besides their parameters (:meth:`Operation.release`); return it to the system."""
        for _, node in self:
            node.op.release()
        give_back()

    def kept(self) -> Self:
        """Return a copy whose deferred synapse weights are arrays: they take memory, but no run makes them again."""
        out = self.copy()
        for name, node in self:
            if isinstance(node.op, Synapse):
                out.put(name, replace(node.op, weight=np.asarray(node.op.weight)))
        return out

    def put(self, name: str, op: Operation) -> None:
        """Replace the operation of node ``name``; its operands stay."""
        self.nodes[name] = Node(op, self.nodes[name].inputs)

    def shape(self, name: str) -> tuple[int, ...]:
        """Sample shape of a node's output, or of the input."""
        return self.input_shape if name == self.INPUT else self[name].shape

    @property
    def output(self) -> str:
        """Name of the last node, the readout."""
        return next(reversed(self.nodes))

    def readers(self, name: str) -> list[str]:
        """Names of the nodes that take ``name`` as an operand."""
        return [reader for reader, node in self if name in node.inputs]

    def origin(self, name: str) -> str:
        """Name of the node, or of the input, whose output reaches ``name`` through routes; itself if it is no route."""
        while name != self.INPUT and isinstance(self[name], Route):
            name = self.nodes[name].inputs[0]
        return name

    def code(self, name: str) -> PhaseCode:
        """Code of the spikes that arrive from ``name``, which may be a route."""
        return self[self.origin(name)].code  # type: ignore[attr-defined]

    def spikes(self, name: str) -> int:
        """Most spikes in a window of a neuron whose spikes arrive from ``name``, which may be a route."""
        return getattr(self[self.origin(name)], "spikes", 1)

    def codes_input(self, name: str) -> bool:
        """Whether the first operand of ``name``, past any routes, is the network's graded input."""
        return self.origin(self.nodes[name].inputs[0]) == self.INPUT

    def prune(self) -> None:
        """Drop nodes on which the readout does not depend."""
        needed = {self.output}
        for name in reversed(self.nodes):
            if name in needed:
                needed.update(self.nodes[name].inputs)
        self.nodes = {name: node for name, node in self if name in needed}

    def to_nir(self) -> nir.NIRGraph:
        """The whole network as one NIR graph."""
        numbered = {name: f"{i:04d}.{name}" for i, name in enumerate(self.nodes)} | {self.INPUT: self.INPUT}
        nodes: dict[str, nir.NIRNode] = {self.INPUT: nir.Input(input_type={"input": np.array(self.input_shape)})}
        edges: list[tuple[str, str]] = []
        for name, node in self:
            operands = [numbered[source] for source in node.inputs]
            nodes[numbered[name]] = _to_node(node.op, " ".join(operands), self.shape(node.inputs[0]))
            edges += [(source, numbered[name]) for source in dict.fromkeys(operands)]
        nodes["output"] = nir.Output(output_type={"output": np.array(self[self.output].shape)})
        edges.append((numbered[self.output], "output"))
        return nir.NIRGraph(nodes, edges, metadata=self.header.entries() | {"format": VERSION}, type_check=False)

    @classmethod
    def from_nir(cls, graph: nir.NIRGraph) -> Network:
        """Restore a network of the stage that the graph's metadata name.

        Raises:
            DeployError: the graph was not written by this package, has another format than ``VERSION``, or is damaged.
        """
        version = _plain(graph.metadata.get("format", "unknown"))
        if version == "unknown":
            raise DeployError(
                "the NIR graph is no converted network, whose metadata names its format; `deploy check FILE.nir` says what "
                "it is and `deploy run FILE.nir` runs it"
            )
        if version != VERSION:
            raise DeployError(
                f"the NIR graph has format {version}, this version reads format {VERSION}; install the "
                "spikedeploy that wrote it, or convert again"
            )
        if cls.INPUT not in graph.nodes:
            raise DeployError(f"the NIR graph has no node '{cls.INPUT}'; the file is damaged")
        header = Header.of({key: _plain(value) for key, value in graph.metadata.items() if key != "format"})
        stage = STAGES[header.precision]
        network = stage(tuple(int(n) for n in graph.nodes[cls.INPUT].input_type["input"]), header=header)
        names = {cls.INPUT: cls.INPUT}
        for numbered in sorted(graph.nodes):
            if numbered in (cls.INPUT, "output"):
                continue
            names[numbered] = numbered.split(".", 1)[1]
            op, operands = operation_of(numbered, graph.nodes[numbered])
            if missing := [o for o in operands if o not in names]:
                raise DeployError(f"node '{numbered}': operand '{missing[0]}' is missing or comes later")
            network.nodes[names[numbered]] = Node(op, tuple(names[o] for o in operands))
        if not network.nodes or not isinstance(network[network.output], Readout):
            raise DeployError("the NIR graph does not end in a readout; the file is damaged")
        return network


class LoweredNetwork(Network):
    """What the trained network computes, in real units; its operations have no codes yet. Only its ideal can be run."""


class ScaledNetwork(LoweredNetwork):
    """A lowered network whose firing nodes have scales, taken from real activations."""


class CalibratedNetwork(Network):
    """Spiking, in floating point: firing nodes have codes, and all scales are folded into what reads the spikes."""

    PRECISION = "float"
    STATES = ("base", "timesteps")


class FixedPointNetwork(Network):
    """Spiking, in integers of a chip's widths."""

    PRECISION = "fixed"
    STATES = (*CalibratedNetwork.STATES, "chip", "input_unit")


Stage = TypeVar("Stage", bound=Network)
STAGES: dict[Precision | None, type[Network]] = {
    stage.PRECISION: stage for stage in (LoweredNetwork, CalibratedNetwork, FixedPointNetwork)
}
"""Class of a network in a file by the ``precision`` in its metadata; a lowered network has none."""
MADE_BY: dict[type[Network], str] = {
    LoweredNetwork: "converters.lowering.lower",
    ScaledNetwork: "converters.calibrate.scale",
    CalibratedNetwork: "converters.calibrate.calibrate",
    FixedPointNetwork: "converters.discretise.discretise",
}
"""Function that makes networks of each stage, for messages."""


def require(network: Network, stage: type[Stage], what: str) -> Stage:
    """Return ``network`` if it is at the stage that ``what`` takes.

    Raises:
        DeployError: it is at another stage; the message names the one that is needed and the function that makes it.
    """
    if not isinstance(network, stage):
        made = f"a {stage.__name__}, which {MADE_BY[stage]} makes"
        raise DeployError(f"{what} takes {made}; this is a {type(network).__name__}")
    return network


def _plain(value: Any) -> Any:
    """A metadata value as a Python number, string or list."""
    value = np.asarray(value)
    return value.item() if value.ndim == 0 else value.tolist()


def _to_node(op: Operation, operands: str, source_shape: tuple[int, ...]) -> nir.NIRNode:
    """NIR's own node where there is one, else a nested graph whose metadata hold the operation."""
    metadata = to_metadata(op) | {"op": op.name, "operands": operands}
    if isinstance(op, (DenseSynapse, ConvSynapse)):
        metadata = {key: value for key, value in metadata.items() if key not in NATIVE}
    if isinstance(op, DenseSynapse):
        return nir.Affine(weight=np.asarray(op.weight), bias=op.bias, metadata=metadata)
    if isinstance(op, ConvSynapse):
        geometry = {"stride": op.stride, "padding": op.padding, "dilation": op.dilation, "groups": op.groups}
        pixels = (source_shape[-2], source_shape[-1])
        return nir.Conv2d(input_shape=pixels, weight=np.asarray(op.weight), bias=op.bias, metadata=metadata, **geometry)
    shape = np.array(op.shape)
    inner: dict[str, nir.NIRNode] = {
        "input": nir.Input(input_type={"input": shape}), "output": nir.Output(output_type={"output": shape}),
    }  # fmt: skip
    return nir.NIRGraph(inner, [("input", "output")], metadata=metadata, type_check=False)


def operation_of(name: str, node: nir.NIRNode) -> tuple[Operation, list[str]]:
    """The operation that a node of a network's NIR graph stands for, and the names of its operands, in order.

    Raises:
        DeployError: the node names no operation, or lacks one of its parameters.
    """
    metadata = dict(node.metadata)
    kind = str(metadata.pop("op", ""))
    if kind not in REGISTRY:
        raise DeployError(f"node '{name}' ({type(node).__name__}) names no operation of this package: '{kind}'")
    operands = str(metadata.pop("operands", "")).split()
    if not operands:
        raise DeployError(f"node '{name}': metadata has no 'operands'; the file is damaged")
    if isinstance(node, (nir.Affine, nir.Conv2d)):
        metadata |= {key: getattr(node, key) for key in NATIVE if hasattr(node, key)}
    return from_metadata(REGISTRY[kind], metadata, name), operands


def synapses(network: Network) -> list[tuple[str, Synapse]]:
    """Name and operation of every synapse, in the network's order."""
    return [(name, node.op) for name, node in network if isinstance(node.op, Synapse)]
