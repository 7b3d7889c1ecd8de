"""Lowers the operations of a traced model to a :class:`processes.spiking.Graph`; all refusals are reported at once."""

from __future__ import annotations

import operator
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.utils._pytree import tree_leaves

from converters.captured import constants_of
from converters.trained.readings import Reading
from converters.trained.rules import LAYOUTS, RULES, Signal, Unsupported, module_layer
from processes.errors import DeployError, Refusal
from processes.spiking import Affine, Graph, Layout, Levels, Neuron, Node, Op, Source, Sum, Wire

INPUT = "input"


class Uncaptured(DeployError):
    """A model that cannot be captured as a spiking network; ``refusals`` lists every module that stands in the way."""

    def __init__(self, model: str, refusals: list[Refusal]) -> None:
        self.refusals = refusals
        listed = "; ".join(f"{r.node} ({r.kind}): {r.reason}" for r in refusals)
        super().__init__(f"{model} cannot be captured as a spiking network: {listed}")


def lower(program: torch.export.ExportedProgram, model: nn.Module, neurons: dict[str, Reading]) -> Graph:
    """Lower an exported model to the graph of one time step.

    Args:
        program: from :func:`converters.trained.trace.trace`.
        model: the module that was exported, for messages.
        neurons: readings by qualified module name, those that it was traced with.

    Raises:
        Uncaptured: operations have no form in spikes; the error lists all of them.
        DeployError: the model's output does not depend on its input.
    """
    return _Lowering(program, model, neurons).graph()


class _Lowering:
    """Goes through the exported operations once.

    ``env`` has the result of each exported node: a tensor where it is constant, a Signal where it depends on the input.
    """

    def __init__(self, program: torch.export.ExportedProgram, model: nn.Module, neurons: dict[str, Reading]) -> None:
        self.program, self.model, self.neurons = program, model, neurons
        self.nodes: dict[str, Node] = {}
        self.env: dict[torch.fx.Node, Any] = {}
        self.refusals: list[Refusal] = []
        self.module = ""

    def graph(self) -> Graph:
        """The whole graph, without nodes that do not lead to the output."""
        constants = constants_of(self.program)
        output: Any = None
        for node in self.program.graph.nodes:
            if node.op == "placeholder":
                if (constant := constants.get(node.name)) is not None:
                    self.env[node] = constant.double() if constant.is_floating_point() else constant
                else:
                    self.env[node] = self.add(INPUT, Source(), (), tuple(node.meta["val"].shape))
            elif node.op == "output":
                output = self._value(node.args[0])[-1]  # mutated buffers come first
            else:
                self._operation(node)
        if self.refusals:
            raise Uncaptured(type(self.model).__name__, self.refusals)
        if not isinstance(output, Signal):
            raise DeployError(f"{type(self.model).__name__}: its output does not depend on its input")
        graph = _pruned(Graph(self.nodes, INPUT, output.name))
        clips = [(n, node) for n, node in graph.nodes.items() if isinstance(node.op, Levels) and not node.op.rounds]
        if clips:
            reason = "clamps and does not round; spikes have no such values"
            raise Uncaptured(type(self.model).__name__, [Refusal(n, "clamp", reason) for n, _ in clips])
        return graph

    def _operation(self, node: torch.fx.Node) -> None:
        stack = node.meta.get("nn_module_stack") or {"": ("model", "")}
        path, kind = list(stack.values())[-1]
        self.module = path.removeprefix("model").removeprefix(".")
        args, kwargs = self._value(list(node.args)), self._value(node.kwargs)
        flat = tree_leaves((args, kwargs))
        if any(value is _REFUSED for value in flat):
            self.env[node] = _REFUSED
            return
        name = str(node.target).removeprefix("aten.").split(".")[0]
        try:
            if name.startswith("_assert"):
                self.env[node] = None
            elif node.target is operator.getitem:
                self.env[node] = args[0][args[1]]
            elif not any(isinstance(value, Signal) for value in flat):
                self.env[node] = node.target(*args, **kwargs)  # type: ignore[operator]
            elif name == "copy" and isinstance(
                args[1], torch.Tensor
            ):  # what an assignment puts in the place of a signal
                self.env[node] = args[1].expand(args[0].shape)
            elif node.target is torch.ops.deploy_trained.neuron.default:
                self.env[node] = self._neuron(node, *args)
            elif name in LAYOUTS:
                self.env[node] = self._layout(node, name, args, kwargs)
            elif name in RULES:
                shape = tuple(node.meta["val"].shape) if isinstance(node.meta["val"], torch.Tensor) else ()
                self.env[node] = RULES[name](self, shape, *args, **kwargs)
            else:
                raise Unsupported(f"{name} has no form in spikes")
        except Unsupported as error:
            where = self.module or "forward"
            self.refusals.append(Refusal(where, str(kind).rsplit(".", 1)[-1], f"{error}"))
            self.env[node] = _REFUSED

    def _value(self, argument: Any) -> Any:
        if isinstance(argument, torch.fx.Node):
            return self.env[argument]
        if isinstance(argument, (tuple, list)):
            return [self._value(item) for item in argument]
        return {k: self._value(v) for k, v in argument.items()} if isinstance(argument, dict) else argument

    def add(self, name: str, op: Op, sources: tuple[Signal | Wire, ...], shape: tuple[int, ...]) -> Signal:
        """Add a node to the graph, with a number behind its name if that is taken; returns its output."""
        free = name = name or "forward"
        number = 2
        while free in self.nodes:
            free, number = f"{name}#{number}", number + 1
        wires = tuple(Wire(s.name) if isinstance(s, Signal) else s for s in sources)
        self.nodes[free] = Node(op, wires, shape, self.module)
        return Signal(free, shape)

    def named(self, what: str) -> str:
        """A node name for an operation of the current module."""
        return f"{self.module}.{what}" if self.module else what

    @property
    def layer(self) -> str:
        """The node name for a layer of the current module; inside a neuron, whose name is its population's, another."""
        return self.named("layer") if self.module in self.neurons else self.module

    def moved(self, x: Signal, index: torch.Tensor) -> Signal:
        """x with its values moved: ``index``, in the new shape, holds flat places in x, -1 for padding."""
        return self.add(self.named("layout"), Layout(index.numpy().astype(np.int64)), (x,), tuple(index.shape))

    def expanded(self, x: Signal, shape: tuple[int, ...]) -> Signal:
        """x broadcast to ``shape``."""
        return x if x.shape == shape else self.moved(x, _places(x, 0).expand(shape).contiguous())

    def _layout(self, node: torch.fx.Node, name: str, args: list[Any], kwargs: dict[str, Any]) -> Any:
        """Add the layout of an operation that moves values, found by running it on the numbers of the values' places.

        Constants that the operation puts beside signals become an affine node behind the layout.
        """
        signals: list[Signal] = []
        constants: list[torch.Tensor] = []

        def places(value: Any) -> Any:
            if isinstance(value, Signal):
                start = sum(int(np.prod(s.shape)) for s in signals)
                signals.append(value)
                return _places(value, start)
            if isinstance(value, torch.Tensor) and value.is_floating_point():
                constants.append(value)
                return torch.full(value.shape, -1)
            return [places(v) for v in value] if isinstance(value, list) else value

        def values(value: Any) -> Any:
            if isinstance(value, Signal):
                return torch.zeros(value.shape, dtype=torch.float64)
            return [values(v) for v in value] if isinstance(value, list) else value

        moved = _moved(node, name, places(args), kwargs)
        wires = tuple(Wire(s.name) for s in signals)

        def put(index: torch.Tensor, constant: torch.Tensor | None) -> Signal:
            op = Layout(index.contiguous().numpy().astype(np.int64))
            found = self.add(self.named("layout"), op, wires, tuple(index.shape))
            if constant is None:
                return found
            shift = Affine(np.ones(()), constant.numpy())
            return self.add(self.named("constant"), shift, (found,), found.shape)

        beside = _moved(node, name, values(args), kwargs) if constants else None
        if isinstance(moved, torch.Tensor):
            return put(moved, beside)
        return [put(index, None if beside is None else beside[i]) for i, index in enumerate(moved)]

    def _neuron(self, node: torch.fx.Node, x: Signal, name: str, states: int) -> list[Signal]:
        """Add a population with its recurrent input, if any, and nodes for those of its states that the model reads."""
        if name in self.nodes:
            raise Unsupported("called twice within one step: its state would have to advance twice")
        reading, graded = self.neurons[name], f"{name}.graded"
        if reading.recurrent is not None:
            sent = Wire(name if reading.height == 1 else graded, carried=True)
            back = module_layer(self, reading.recurrent, sent, x.shape)
            x = self.add(self.named("input"), Sum(), (x, back), x.shape)
        users: list[Any] = [user.args[1] for user in node.users]
        found = [self.add(name, Neuron(reading.rule), (x,), x.shape)]
        if reading.height != 1:
            op = Affine(np.asarray(reading.height), np.zeros(()))
            found = [self.add(graded, op, (found[0],), x.shape)]
        for state in range(states):
            if state + 1 in users:
                found.append(self.add(f"{name}.state{state}", Neuron(reading.rule, state), (x,), x.shape))
            else:
                found.append(found[0])
        return found


def _moved(node: torch.fx.Node, name: str, args: list[Any], kwargs: dict[str, Any]) -> Any:
    """The result of an operation on tensors of places, where padding with 0 becomes -1."""
    if name in ("pad", "constant_pad_nd"):
        mode, value = ([], args[2:3]) if name == "constant_pad_nd" else (args[2:3], args[3:4])
        if mode not in ([], ["constant"]) or (value and value[0] not in (None, 0, 0.0)):
            raise Unsupported("padding with something else than 0")
        return torch.nn.functional.pad(args[0], args[1], value=-1)
    if name in ("_to_copy", "to", "dropout", "detach", "alias", "lift_fresh_copy"):
        return args[0]
    return node.target(*args, **{k: v for k, v in kwargs.items() if k != "memory_format"})  # type: ignore[operator]


class _Refused:
    """Stands for the result of an operation that was refused, or that depends on one."""


_REFUSED = _Refused()


def _places(x: Signal, start: int) -> torch.Tensor:
    """The numbers of a signal's values from ``start`` on, in its shape."""
    return torch.arange(start, start + int(np.prod(x.shape))).reshape(x.shape)


def _pruned(graph: Graph) -> Graph:
    """The graph without nodes that do not lead to the output."""
    needed, waiting = {graph.input}, [graph.output]
    while waiting:
        name = waiting.pop()
        if name not in needed:
            needed.add(name)
            waiting += [wire.source for wire in graph.nodes[name].wires]
    return Graph({n: node for n, node in graph.nodes.items() if n in needed}, graph.input, graph.output)
