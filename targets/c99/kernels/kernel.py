"""What C needs of an operation: a function of bundle/kernels, the constants of its struct, and its state."""

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


@dataclass(frozen=True, eq=False)
class Constants:
    """An array of constants, flattened.

    Raises:
        DeployError: a value does not fit its type.
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


@dataclass(frozen=True)
class State:
    """An array that a node keeps from step to step."""

    type: Integer
    size: int


@dataclass(frozen=True)
class Kernel:
    """How a node is computed.

    Attributes:
        function: its C function is FUNCTION_step, its constants are a struct FUNCTION, unless ``struct`` says otherwise.
        constants: fields of the struct; None is a null pointer.
        state: what it keeps, in the order of the function's arguments; None is a null pointer.
        scratch: sums of 64 bits that it needs within a step, shared with other nodes; they follow its state.
        gathers: whether its operands are handed over as one array of messages.
        absent: operands that its function has and the node has not: null pointers after those that it has.
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
        window: its own.
    """

    shapes: tuple[tuple[int, ...], ...]
    starts: tuple[int, ...]
    window: Window

    @staticmethod
    def of(network: Network, name: str, windows: Mapping[str, Window]) -> Place:
        """That of a node."""
        inputs = network.nodes[name].inputs
        return Place(
            tuple(map(network.shape, inputs)), tuple(windows[source].start for source in inputs), windows[name]
        )


def words(values: np.ndarray | None) -> Constants | None:
    """int32, null of nothing."""
    return None if values is None else Constants("int32_t", values)


def thresholds(values: np.ndarray) -> Constants:
    """int32 of thresholds that may be beyond it, where no potential is."""
    return Constants("int32_t", np.clip(values, -(2**31), 2**31 - 1))


def fold(shape: tuple[int, ...], parameter: np.ndarray) -> tuple[Struct, np.ndarray]:
    """Which parameter each neuron of a sample of ``shape`` has, as struct fold, and the parameters it counts."""
    full = parameter.reshape((1,) * (len(shape) - parameter.ndim) + parameter.shape)
    if full.size == 1:
        return {"a": 1, "m": 1, "d": 1}, full.reshape(-1)
    try:
        a, m, d = parameter_axes(shape, full.shape)
    except ValueError:  # parameters that vary along too many separate axes: one for each neuron
        a, m, d, full = 1, 1, int(np.prod(shape)), np.broadcast_to(full, shape)
    return {"a": a, "m": m, "d": d}, full.reshape(-1)


def latest(op: Operation) -> Struct:
    """Fields ``ends`` and ``latest`` of neurons with several spikes."""
    last = getattr(op, "latest", None)
    if last is None:
        return {"ends": {"a": 1, "m": 1, "d": 1}, "latest": None}
    ends, values = fold(op.shape, np.asarray(last))
    return {"ends": ends, "latest": words(values)}


def size(shape: tuple[int, ...]) -> int:
    """Values of a sample."""
    return int(np.prod(shape))
