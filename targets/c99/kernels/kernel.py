"""What the C program needs of a node: its function in bundle/kernels, its struct of constants, and its state."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, Union, get_args

import numpy as np

from processes.errors import DeployError
from processes.network import Network
from processes.operation import Operation, Window
from processes.spikes import parameter_axes

Integer = Literal["uint8_t", "int8_t", "int32_t", "uint32_t", "int64_t"]
WIDTHS: dict[Integer, np.dtype] = {name: np.dtype(name.removesuffix("_t")) for name in get_args(Integer)}
"""The numpy dtype of each C type."""


@dataclass(frozen=True, eq=False)
class Constants:
    """An array of constants, flattened and converted to the dtype of a C type.

    Raises:
        DeployError: a value does not fit the type.
    """

    type: Integer
    values: np.ndarray

    def __post_init__(self) -> None:
        flat = np.ascontiguousarray(np.asarray(self.values).reshape(-1))
        limits = np.iinfo(WIDTHS[self.type])
        if flat.size and not limits.min <= int(flat.min()) <= int(flat.max()) <= limits.max:
            raise DeployError(f"constants of {int(flat.min())} to {int(flat.max())} do not fit {self.type}")
        object.__setattr__(self, "values", flat.astype(WIDTHS[self.type]))


Value = Union[int, None, Constants, "Struct"]
Struct = Mapping[str, Value]
"""Constants of a C struct by field; None is a null pointer."""


@dataclass(frozen=True)
class State:
    """An array of ``size`` values that a node keeps from one time step to the next."""

    type: Integer
    size: int


@dataclass(frozen=True)
class Kernel:
    """How a node is computed.

    Attributes:
        function: its C function is called FUNCTION_step.
        constants: fields of its struct; None is a null pointer.
        state: arrays that it keeps, in the order of the function's arguments; None is a null pointer.
        scratch: number of 64-bit sums that it needs within a step, in memory shared by all nodes; follows the state.
        struct: name of the struct of constants, if it is not FUNCTION.
        gathers: whether the function takes its operands as one array of messages.
        absent: number of optional operands that the node lacks, passed as null pointers after those that it has.
    """

    function: str
    constants: Struct
    state: tuple[State | None, ...] = ()
    scratch: int = 0
    struct: str = ""
    gathers: bool = False
    absent: int = 0


@dataclass(frozen=True)
class Place:
    """Where an operation stands in its network.

    Attributes:
        shapes: of its operands' messages.
        starts: first steps of its operands' windows.
        window: the operation's own window.
    """

    shapes: tuple[tuple[int, ...], ...]
    starts: tuple[int, ...]
    window: Window

    @staticmethod
    def of(network: Network, name: str, windows: Mapping[str, Window]) -> Place:
        """Return the place of the node ``name``; ``windows`` are those of the network's timeline."""
        inputs = network.nodes[name].inputs
        return Place(
            tuple(map(network.shape, inputs)), tuple(windows[source].start for source in inputs), windows[name]
        )


def words(values: np.ndarray | None) -> Constants | None:
    """Constants of type int32_t, None (a null pointer) for None."""
    return None if values is None else Constants("int32_t", values)


def thresholds(values: np.ndarray) -> Constants:
    """Thresholds as int32_t, clipped to 32 bits, which no potential exceeds."""
    return Constants("int32_t", np.clip(values, -(2**31), 2**31 - 1))


def fold(shape: tuple[int, ...], parameter: np.ndarray) -> tuple[Struct, np.ndarray]:
    """Fold parameters that broadcast to ``shape``: (struct fold, mapping neurons to parameters; flat parameters)."""
    full = parameter.reshape((1,) * (len(shape) - parameter.ndim) + parameter.shape)
    if full.size == 1:
        return {"a": 1, "m": 1, "d": 1}, full.reshape(-1)
    try:
        a, m, d = parameter_axes(shape, full.shape)
    except ValueError:  # parameters that vary along too many separate axes: one for each neuron
        a, m, d, full = 1, 1, int(np.prod(shape)), np.broadcast_to(full, shape)
    return {"a": a, "m": m, "d": d}, full.reshape(-1)


def latest(op: Operation) -> Struct:
    """Struct fields ``ends`` and ``latest``: the last step of a neuron's further spikes, null without a limit."""
    last = getattr(op, "latest", None)
    if last is None:
        return {"ends": {"a": 1, "m": 1, "d": 1}, "latest": None}
    ends, values = fold(op.shape, np.asarray(last))
    return {"ends": ends, "latest": words(values)}


def size(shape: tuple[int, ...]) -> int:
    """Number of values of a sample of ``shape``."""
    return int(np.prod(shape))
