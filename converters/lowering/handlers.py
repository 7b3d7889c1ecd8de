"""The registry of handlers, by the aten operation that each one lowers, and the call that a handler is given."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from converters.lowering.builder import Builder, Divisor


@dataclass
class Call:
    """One operation of the model, as a handler is given it.

    Attributes:
        builder: adds nodes to the network.
        function: name of the aten operation, without its overload.
        name: path of the operation's module (or its graph node's name), by which nodes of the network are named.
        args, kwargs: its arguments: values of the network, constants, or what other handlers returned.
        shape: shape of its result, () if that is no single tensor.
        target: the operation itself, to evaluate it on constants.
    """

    builder: Builder
    function: str
    name: str
    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    shape: tuple[int, ...]
    target: Callable[..., Any]

    def arg(self, index: int, name: str, default: Any = None) -> Any:
        """The positional argument ``index``, or else the keyword argument ``name``, or else ``default``."""
        return self.args[index] if len(self.args) > index else self.kwargs.get(name, default)


Handler = Callable[[Call], Any]
HANDLERS: dict[str, Handler] = {}
TAKE_DIVISORS = {
    "add", "add_", "mul", "mul_", "div", "div_", "pow", "rsqrt", "sqrt", "reciprocal", "clamp", "clamp_", "clamp_min",
    "clamp_max", "expand", "expand_as", "reshape", "view", "unsqueeze", "_unsafe_view", "alias", "clone", "to", "_to_copy",
    "type_as", "detach",
}  # fmt: skip
"""Operations whose handlers take a :class:`~converters.lowering.builder.Divisor`; others are given its formed value."""
TAKE_CURVES: set[str] = set()
"""Operations whose handlers take a :class:`~converters.lowering.curves.Curve`; others are given its value."""


def handles(*names: str, curves: bool = False) -> Callable[[Handler], Handler]:
    """Decorator that registers a handler for aten operations, named without overloads; ``curves``: it takes curves."""

    def register(handler: Handler) -> Handler:
        HANDLERS.update(dict.fromkeys(names, handler))
        TAKE_CURVES.update(names if curves else ())
        return handler

    return register


def constant(x: Any) -> np.ndarray:
    """A constant operand as a float64 array."""
    return torch.as_tensor(x).detach().double().numpy()


def formed(call: Call, operands: Any) -> Any:
    """Operands with the numbers of divisors as values, in lists and tuples, too; everything else stays as it is."""
    if isinstance(operands, (list, tuple)):
        return type(operands)(formed(call, operand) for operand in operands)
    return operands.formed(call) if isinstance(operands, Divisor) else operands
