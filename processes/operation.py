"""What every spiking operation is: parameters, an ideal, a closed form and a stepper.

The ideal is what the trained network computes at that place, the closed form maps the operands' codes or potentials to
the operation's own, and the stepper computes the same one time step at a time. An operation is a dataclass. Its arrays
are floating point or integer, and that alone decides which arithmetic applies: the same formulas serve both.
"""

from __future__ import annotations

import dataclasses
import math
import types
import typing
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar, Literal, Protocol

import numpy as np
import torch
from typing_extensions import Self

from processes.errors import DeployError
from processes.fixed import beyond, saturate, saturated

VERSION = 2
"""Format of the NIR graphs of networks; graphs of another format are refused."""
REGISTRY: dict[str, type[Operation]] = {}
"""Operation classes by their ``name``, entered as the classes are defined."""

Emission = Literal["spikes", "currents", "graded"]
"""What an operation sends: signed binary spikes, currents that the reader integrates, or potentials (graded spikes)."""


@dataclass(frozen=True)
class Window:
    """The steps [start, stop) of a sample in which a node emits."""

    start: int
    stop: int


class Stepper(Protocol):
    """An operation running through time, one sample at a time, in numpy."""

    def reset(self) -> None:
        """Forget the previous sample."""

    def step(self, t: int, messages: list[np.ndarray | None]) -> np.ndarray | None:
        """Take step ``t`` of the sample and return what is sent in it, (*shape), or None for nothing.

        ``messages`` holds one array per operand, or None where nothing arrived. Spikes are signs -1, 0 or 1, int8.
        """


class SaturatingStepper:
    """A stepper that clips values which it derives from complete potentials, and counts the clips.

    Clips during integration are attributed to the node that sends the currents, and not counted here.
    """

    clips = 0

    def saturate(self, x: np.ndarray, bits: int) -> np.ndarray:
        """Return x clipped to ``bits`` signed bits, and add the number of clipped values to ``clips``."""
        self.clips += saturated(x, bits)
        return saturate(x, bits)


@dataclass(frozen=True, eq=False)
class Result:
    """What an operation made of a batch of N samples, and what happened to its potentials on the way.

    Attributes:
        values: codes (planes, N, *shape) of operations that fire, potentials (N, *shape) of others.
        clips: how often each neuron's potential was clipped at its width, integers (N, *shape); None if none was.
        low_variance_rows: rows whose variance is so small that half of their codes are silent.
    """

    values: torch.Tensor
    clips: torch.Tensor | None = None
    low_variance_rows: int = 0

    @property
    def clipped(self) -> int:
        """Number of clips of all neurons and samples together."""
        return 0 if self.clips is None else int(self.clips.sum())


@dataclass(frozen=True, eq=False, kw_only=True)
class Operation:
    """Base of all operations: frozen, its arrays read-only, so that tables derived from them are never out of date.

    Use ``dataclasses.replace`` to change a field. Nothing of a run is kept here: results are returned, state belongs to
    steppers.

    Attributes:
        shape: shape of one sample's output (the leading 1 of a batch of one included).
    """

    shape: tuple[int, ...]

    name: ClassVar[str]
    emits: ClassVar[Emission]
    passes_on: ClassVar[bool] = False
    """Whether it passes on its operand's spikes with their code and scale, so that none are chosen for it."""
    shapeless: ClassVar[tuple[str, ...]] = ()
    """Names of cached properties that do not depend on the shape; :meth:`reshaped` keeps their values."""

    def __init_subclass__(cls) -> None:
        if "name" in cls.__dict__:
            REGISTRY[cls.name] = cls

    def __post_init__(self) -> None:
        freeze_arrays(self)

    def reshaped(self, shape: tuple[int, ...], **fields: Any) -> Self:
        """Return this operation for samples of another shape, with ``fields`` changed too.

        The values of the cached properties in ``shapeless`` are kept, so none of them may depend on a changed field.
        """
        made = dataclasses.replace(self, shape=shape, **fields)
        made.__dict__.update({name: self.__dict__[name] for name in self.shapeless if name in self.__dict__})
        return made

    def release(self) -> None:
        """Drop the values of cached properties to free their memory; they are computed again when next used."""
        for kind in type(self).__mro__:
            for name, value in vars(kind).items():
                if isinstance(value, cached_property):
                    self.__dict__.pop(name, None)

    @property
    def fires(self) -> bool:
        """Whether this operation's output is spikes."""
        return self.emits == "spikes"

    def decoded(self, codes: torch.Tensor) -> torch.Tensor:
        """Real values (N, *shape), float64, of codes (planes, N, *shape); for operations that fire."""
        from processes.spikes import decode

        return decode(codes, self.code.levels, torch.float64) * torch.tensor(self.scale, device=codes.device)  # type: ignore[attr-defined]

    def window(self, sources: list[Window], ready: list[int]) -> Window:
        """Steps of a sample in which the operation emits.

        Args:
            sources: windows of the operands.
            ready: first step at which each operand may be acted upon: that of a graded spike, else the end of the
                window.
        """
        raise NotImplementedError

    def ideal(self, *inputs: torch.Tensor) -> torch.Tensor:
        """What the trained network computes at this place, in real units, (N, *shape)."""
        raise NotImplementedError

    def closed_form(self, *inputs: torch.Tensor, dtype: torch.dtype = torch.float32) -> Result:
        """Codes or potentials at the end of the window, from those of the operands.

        Args:
            inputs: codes (planes, N, *shape), int8 or int16, or potentials (N, *shape) of each operand.
            dtype: arithmetic of floating-point operations; fixed-point operations are exact and do not look at it.
        """
        raise NotImplementedError

    def stepper(self, window: Window, sources: list[Window]) -> Stepper:
        """Return a stepper that emits in ``window``, given the operands' windows.

        It equals :meth:`closed_form`: always in fixed point, and but for ties at a threshold in floating point.
        """
        raise NotImplementedError


def freeze_arrays(value: Any) -> None:
    """Make the array fields of a frozen dataclass read-only views; the caller's own arrays stay writeable."""
    for field in dataclasses.fields(value):
        item = getattr(value, field.name)
        if isinstance(item, np.ndarray) and item.flags.writeable:
            view = item.view()
            view.flags.writeable = False
            object.__setattr__(value, field.name, view)


def clips_of(x: torch.Tensor, bits: int) -> torch.Tensor | None:
    """1 where a value of x (N, *shape) does not fit ``bits`` signed bits, else 0, int32; None if all fit."""
    return beyond(x, bits).int() if saturated(x, bits) else None


def is_integer(array: np.ndarray) -> bool:
    """Whether ``array`` has an integer type, as the arrays of fixed-point operations have."""
    return np.issubdtype(array.dtype, np.integer)


def to_metadata(value: Any) -> dict[str, Any]:
    """Fields of a dataclass as nested metadata that NIR files can hold (no None, no empty arrays)."""
    out: dict[str, Any] = {}
    for field in dataclasses.fields(value):
        item = getattr(value, field.name)
        if dataclasses.is_dataclass(item):
            out[field.name] = to_metadata(item) | {"type": type(item).__name__}
        elif isinstance(item, (np.ndarray, tuple)):
            if np.size(item):
                out[field.name] = np.asarray(item)
        elif item is not None:
            out[field.name] = item
    return out


def from_metadata(cls: type, metadata: dict[str, Any], where: str) -> Any:
    """Rebuild a dataclass from :func:`to_metadata`'s output.

    Raises:
        DeployError: a field is missing, or a nested dataclass has an unknown type; the message names the node.
    """
    hints = typing.get_type_hints(cls)
    values: dict[str, Any] = {}
    for field in dataclasses.fields(cls):
        if field.name in metadata:
            values[field.name] = _restore(hints[field.name], metadata[field.name], where)
        elif field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING:
            raise DeployError(f"node '{where}': metadata has no '{field.name}'; the file is damaged or newer")
    return cls(**values)


def _restore(hint: Any, value: Any, where: str) -> Any:
    """Convert a metadata value back to the type that a field's ``hint`` asks for."""
    options = typing.get_args(hint) if isinstance(hint, types.UnionType) else (hint,)
    if isinstance(value, dict):
        for option in options:
            if option.__name__ == value.get("type"):
                return from_metadata(option, value, where)
        raise DeployError(f"node '{where}': unknown parameter type '{value.get('type')}'")
    for option in options:
        if option is str or typing.get_origin(option) is Literal:
            return value.decode() if isinstance(value, bytes) else str(value)
        if option in (int, float, bool):
            return option(np.asarray(value).item())
        if typing.get_origin(option) is tuple:
            return tuple(int(i) for i in np.atleast_1d(value))
    return np.asarray(value)


def sample_size(shape: tuple[int, ...]) -> int:
    """Number of values in one sample."""
    return math.prod(shape)


def rows_of(shape: tuple[int, ...]) -> int:
    """Number of rows along the last axis in one sample."""
    return math.prod(shape[:-1])
