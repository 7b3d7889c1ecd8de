"""Lower a captured model to a spiking network in real units: one handler per operation, looked up by its name.

Parts that do not depend on the input are folded by evaluating them. Everything that cannot be lowered is collected
first and refused in one table before anything is converted.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, cast

import numpy as np
import torch
from torch.fx.node import map_arg

from converters.captured import Captured, place
from converters.front_end import ChoicePart, Crossing, MaskPart, Part, split
from converters.lowering import (  # noqa: F401 - register handlers
    activations,
    attention,
    bounds,
    complex_numbers,
    conditions,
    convolution,
    elementary,
    elementwise,
    fourier,
    linear,
    logarithms,
    maxima,
    norm,
    pooling,
    routing,
    winners,
    writes,
)
from converters.lowering.builder import (
    ONE,
    PLAIN,
    Builder,
    Choice,
    Divisor,
    Mask,
    Neurons,
    Selection,
    Surrounded,
    Unsupported,
    Value,
)
from converters.lowering.curves import Curve, resolved
from converters.lowering.handlers import HANDLERS, TAKE_CURVES, TAKE_DIVISORS, Call, formed
from converters.lowering.key_bias import drop_key_biases
from processes.deferred import rounded
from processes.errors import DeployError
from processes.network import ConvSynapse, DenseSynapse, LoweredNetwork
from processes.readout import Readout


class _Refused:
    """Stands for the result of an operation that was refused, so that only first causes are reported."""


@dataclass(frozen=True)
class Refusal:
    """One row of the table of refusals: the aten operation, the path of its module, and why it has no spiking form."""

    operation: str
    where: str
    reason: str


class UnsupportedModel(DeployError):
    """The model holds operations that cannot be lowered; ``refusals`` lists every one."""

    def __init__(self, refusals: list[Refusal]) -> None:
        self.refusals = refusals
        rows = "; ".join(f"{r.operation} at '{r.where or 'top level'}': {r.reason}" for r in refusals)
        super().__init__(f"{len(refusals)} operations cannot be converted, nothing was: {rows}")


def lower(
    captured: Captured, input_shape: tuple[int, ...], fanout: bool = False, neurons: Neurons = PLAIN
) -> LoweredNetwork:
    """Lower a captured model to a spiking network in real units, without codes.

    Args:
        captured: the exported model.
        input_shape: sample shape of the network's input, with the leading 1; with a front end, that of its result.
        fanout: hand residual streams on as every branch's spikes instead of graded spikes.
        neurons: which neurons compute softmax and activations.

    Raises:
        UnsupportedModel: with every operation that cannot be lowered, and where it is.
    """
    network = translate(captured, input_shape, fanout, neurons).network
    drop_key_biases(network)
    return network


def in_single_precision(network: LoweredNetwork) -> None:
    """Round weights of dense synapses and convolutions to float32, in place; folding has made some of them float64."""
    for name, node in network:
        if isinstance(node.op, DenseSynapse | ConvSynapse):
            network.put(name, replace(node.op, weight=rounded(node.op.weight, np.float32)))


REASONS = {
    "sort": "the order of its values depends on the input",
    "argsort": "the order of its values depends on the input",
}
"""Reasons for refusing operations about which more can be said than that no spiking form is known."""

FILLED = frozenset(
    {"empty_like", "full_like", "new_empty", "new_full", "new_ones", "new_zeros", "ones_like", "zeros_like"}
)
"""Operations whose result follows from the shape of their operand alone, and so is a constant."""

LIKE_ANOTHER = frozenset({"expand_as", "reshape_as", "type_as", "view_as"})
"""Operations that use only the shape or type of their second operand."""


@dataclass(frozen=True)
class Translation:
    """A network that computes what a captured model does, and what each of the model's operations has become in it.

    Attributes:
        network: in real units, without codes.
        values: by node of the captured graph, a ``Value`` of the network, a constant, or whatever else its handler
            returned.
    """

    network: LoweredNetwork
    values: Mapping[torch.fx.Node, Any]


def known_operations() -> frozenset[str]:
    """Names of the aten operations that have a handler, without overload names."""
    return frozenset(HANDLERS)


def translate(captured: Captured, input_shape: tuple[int, ...], fanout: bool, neurons: Neurons) -> Translation:
    """Translate every operation of a captured model, key biases included; arguments and errors as for :func:`lower`."""
    parts = split(captured)
    if parts.front is not None and parts.front.shape != tuple(input_shape):
        raise DeployError(
            f"the network's input is {parts.front.shape}, not {tuple(input_shape)}; give what the front end returns"
        )
    builder = Builder(LoweredNetwork(input_shape), fanout, neurons)
    values: dict[torch.fx.Node, Any] = {}
    refusals: list[Refusal] = []
    for node in captured.graph.nodes:
        if node in parts.crossing:
            values[node] = _entering(builder, parts.crossing[node])
        elif node in parts.host:
            continue
        elif node.op == "placeholder":
            is_input = node.name in captured.inputs
            values[node] = builder.part(Part((), input_shape)) if is_input else captured.constants[node.name]
        elif node.op == "output":
            if not refusals:
                try:
                    _read_out(builder, node, values)
                except Unsupported as refusal:
                    refusals.append(Refusal("output", "", str(refusal)))
        else:
            values[node] = _evaluate(builder, node, values, refusals)
    if refusals:
        raise UnsupportedModel(refusals)
    builder.network.prune()
    return Translation(builder.network, values)


def _entering(builder: Builder, crossing: Crossing) -> Value | Mask | Choice:
    """A tensor that comes from the host, as a value, mask or choice taken out of the network's input."""
    match crossing:
        case Part():
            return builder.part(crossing)
        case MaskPart():
            return Mask(crossing.keys, crossing.pattern.allowed, crossing.pattern.bias)
        case ChoicePart():
            return Choice(builder.part(crossing.part))


def _evaluate(builder: Builder, node: torch.fx.Node, values: dict[torch.fx.Node, Any], refusals: list[Refusal]) -> Any:
    args = map_arg(node.args, lambda n: values[n])
    kwargs = map_arg(node.kwargs, lambda n: values[n])
    operands = [values[n] for n in node.all_input_nodes]
    if any(isinstance(o, _Refused) for o in operands):
        return _Refused()
    if node.target is operator.getitem:
        try:
            return args[0][args[1]]  # type: ignore[index]
        except Unsupported as refusal:
            refusals.append(Refusal("getitem", place(node), str(refusal)))
            return _Refused()
    name = str(node.target).removeprefix("aten.").split(".")[0]
    if not any(_holds_value(o) for o in operands):
        return _settled(name, node.target(*args, **kwargs))  # type: ignore[operator]
    if name in FILLED or (name in LIKE_ANOTHER and not _holds_value(args[0])):
        stand_ins = map_arg(node.args, lambda n: _stand_in(n) if _holds_value(values[n]) else values[n])
        return _settled(name, node.target(*stand_ins, **kwargs))  # type: ignore[operator]
    where = place(node)
    try:
        if name not in HANDLERS:
            raise Unsupported(REASONS.get(name, "no spiking form of it is known here"))
        meta = node.meta.get("val")
        shape = tuple(meta.shape) if isinstance(meta, torch.Tensor) else ()
        if name not in TAKE_CURVES:
            args, kwargs = resolved(args), {key: resolved(value) for key, value in kwargs.items()}
        target = cast(Callable[..., Any], node.target if name != "as_strided" else _in_memory(node))
        call = Call(builder, name, where or node.name, args, dict(kwargs), shape, target)
        if name not in TAKE_DIVISORS:
            call.args = tuple(formed(call, args))
        selected = next((o for o in operands if isinstance(o, Selection)), None)
        return HANDLERS[name](call) if selected is None else selected.follow(call)
    except Unsupported as refusal:
        refusals.append(Refusal(name, where, str(refusal)))
    except (ArithmeticError, AssertionError, AttributeError, LookupError, RuntimeError, TypeError, ValueError) as error:
        # shapes or arguments that no handler foresaw
        refusals.append(Refusal(name, where, f"this use of it is not supported ({' '.join(str(error).split())[:80]})"))
    return _Refused()


def _settled(name: str, constant: Any) -> Any:
    """A constant; zeros for uninitialised memory (``empty``), which the model writes later."""
    return torch.zeros_like(constant) if "empty" in name else constant


def _in_memory(node: torch.fx.Node) -> Callable[..., torch.Tensor]:
    """The view of memory that a node ``as_strided`` makes, for operands that are laid out like the captured one."""
    operand = cast(torch.fx.Node, node.args[0]).meta["val"]

    def view(x: torch.Tensor, size: list[int], stride: list[int], offset: int | None = None) -> torch.Tensor:
        if offset not in (None, operand.storage_offset()):
            raise Unsupported("a view of memory that begins before or behind its operand")
        return torch.empty_strided(x.shape, operand.stride(), dtype=x.dtype).copy_(x).as_strided(size, stride)

    return view


def _stand_in(node: torch.fx.Node) -> torch.Tensor:
    """An uninitialised tensor of a node's shape and type, for operations that use no more of it."""
    value = node.meta["val"]
    return torch.empty(tuple(value.shape), dtype=value.dtype)


def _holds_value(operand: Any) -> bool:
    if isinstance(operand, (list, tuple)):
        return any(_holds_value(o) for o in operand)
    return isinstance(operand, (Value, Curve, Mask, Choice, Divisor, Surrounded, Selection))


def _read_out(builder: Builder, output: torch.fx.Node, values: dict[torch.fx.Node, Any]) -> None:
    """Add the readout of the model's first output.

    Raises:
        Unsupported: the output is no value, such as an order of the largest ones.
        DeployError: it does not depend on the input.
    """
    outputs = output.args[0]
    first = outputs[0] if isinstance(outputs, (list, tuple)) else outputs
    found = values.get(first) if isinstance(first, torch.fx.Node) else None
    if not _holds_value(found):
        raise DeployError("the model's output does not depend on its input")
    meta = first.meta.get("val")  # type: ignore[union-attr]
    shape = tuple(meta.shape) if isinstance(meta, torch.Tensor) else ()
    value = formed(Call(builder, "output", "output", (), {}, shape, torch.clone), resolved(found))
    if not isinstance(value, Value):
        raise Unsupported("it is no value but a choice or an order of values: return what is chosen from")
    node = builder.join(value)
    builder.network.add("readout", Readout(shape=value.shape, unit=ONE), node)
