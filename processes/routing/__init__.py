"""Routing: reshape, transpose, select, pad, roll, ... are wiring, not computation.

A route is a chain of routing steps on the axes of one sample. It costs no stage and no time step: on hardware it is the
index map that gives each axon its target; here it is a view in the closed form and a gather in the stepper.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar

import numpy as np
import torch

from processes.kernels.messages import route_all
from processes.kernels.stepped import route
from processes.operation import Operation, Result, Window
from processes.sent import Once, Operands, Sent, Stepwise

Step = tuple[str, Any]
LONG = 16
"""Neighbours, on average, from which runs of them are copied sooner than as many entries one by one."""


def apply_step(x: torch.Tensor, step: Step, lead: int) -> torch.Tensor:
    """Apply one routing step to the sample axes of ``x``, which follow ``lead`` axes of planes and samples.

    A step is ("reshape", shape), ("permute", axes), ("slice", [axis, start, stop, stride]), ("pad", torch's padding,
    last axis first), ("roll", [shifts, axes]), ("expand", shape) or ("take", [axis, indices]).

    Raises:
        ValueError: the kind of the step is unknown.
    """
    kind, arg = step
    front = x.shape[:lead]
    match kind:
        case "reshape":
            return x.reshape(*front, *arg)
        case "permute":
            return x.permute(*range(lead), *(a + lead for a in arg))
        case "slice":
            axis, start, stop, stride = arg
            return x[(slice(None),) * (lead + axis) + (slice(start, stop, stride),)]
        case "pad":
            return torch.nn.functional.pad(x, arg)
        case "roll":
            shifts, axes = arg
            return torch.roll(x, shifts, [a + lead for a in axes])
        case "expand":
            return x.expand(*front, *arg)
        case "take":
            axis, indices = arg
            return _take(x, lead + axis, np.asarray(indices, np.int64))
        case _:
            raise ValueError(f"unknown routing step {kind!r}")


def _take(x: torch.Tensor, axis: int, indices: np.ndarray) -> torch.Tensor:
    """Entries of x at indices along an axis: in long runs of neighbours, which are copied as such, or one by one."""
    begins = np.flatnonzero(np.diff(indices, prepend=-2) != 1)
    if len(begins) * LONG > len(indices):
        return x.index_select(axis, torch.from_numpy(indices).to(x.device))
    lengths = np.diff(begins, append=len(indices))
    runs = zip(indices[begins].tolist(), lengths.tolist(), strict=True)
    return torch.cat([x.narrow(axis, first, length) for first, length in runs], axis)


def apply(x: torch.Tensor, steps: tuple[Step, ...], lead: int) -> torch.Tensor:
    """Apply all steps of a route to the sample axes of ``x``, which follow ``lead`` other axes."""
    for step in steps:
        x = apply_step(x, step, lead)
    return x


def route_shape(shape: tuple[int, ...], steps: tuple[Step, ...]) -> tuple[int, ...]:
    """The shape of a sample of ``shape`` behind a route."""
    return tuple(apply(torch.empty(shape, device="meta"), steps, 0).shape)


@dataclass(frozen=True, eq=False, kw_only=True)
class Route(Operation):
    """Wiring between nodes: a chain of routing steps (:func:`apply_step`). Padding is silent.

    Attributes:
        steps: the chain as JSON text, [[kind, argument], ...].
        source_shape: sample shape of the operand.
        carries: what is routed: "spikes", "currents" or "graded" potentials.
    """

    steps: str
    source_shape: tuple[int, ...]
    carries: str = "spikes"

    name: ClassVar[str] = "route"
    passes_on: ClassVar[bool] = True

    @property
    def emits(self) -> str:  # type: ignore[override]
        """The kind of message that the route carries and so emits."""
        return self.carries

    @cached_property
    def chain(self) -> tuple[Step, ...]:
        """The routing steps, parsed from ``steps``."""
        return tuple((kind, arg) for kind, arg in json.loads(self.steps))

    def window(self, sources: list[Window], ready: list[int]) -> Window:
        """The window of its operand: wiring takes no time."""
        return sources[0]

    def ideal(self, *inputs: torch.Tensor) -> torch.Tensor:
        """The values of its operand (N, *source_shape), routed to (N, *shape)."""
        return apply(inputs[0], self.chain, 1)

    def closed_form(self, *inputs: torch.Tensor, dtype: torch.dtype = torch.float32) -> Result:
        """The codes (planes, N, *shape) or potentials (N, *shape) of its operand, routed."""
        return Result(apply(inputs[0], self.chain, 2 if self.carries == "spikes" else 1))

    def stepper(self, window: Window, sources: list[Window]) -> RouteStepper:
        """A stepper that gathers messages by the route's index map."""
        return RouteStepper(self)


class RouteStepper:
    """Stepper of a :class:`Route`: gathers each message by an index map.

    Attributes:
        index: (*shape), 1 + the flat position in the operand, and 0 for padding.
        plain: whether all values keep their order, so that the route only reshapes.
    """

    def __init__(self, op: Route) -> None:
        size = int(np.prod(op.source_shape))
        numbered = torch.arange(1, size + 1).reshape(op.source_shape)
        self.index = apply(numbered, op.chain, 0).contiguous().numpy()
        self.plain = (
            bool((self.index.reshape(-1) == np.arange(1, size + 1)).all()) if self.index.size == size else False
        )

    def reset(self) -> None:
        """Do nothing: wiring has no state."""

    def step(self, t: int, messages: list[np.ndarray | None]) -> np.ndarray | None:
        """The operand's message of this step, routed to (*shape); None for silence."""
        message = messages[0]
        if message is None:
            return None
        if self.plain:
            return message.reshape(self.index.shape)
        out = np.empty(self.index.shape, message.dtype)
        route(message.reshape(-1), self.index.reshape(-1), out.reshape(-1))
        return out

    def through(self, operands: Operands, stepwise: Stepwise) -> Sent | None:
        """All messages of the sample, routed, at the steps of the operand; None if it is silent."""
        sent = operands[0]
        if sent is None:
            return None
        if isinstance(sent, Once):
            codes = np.empty(self.index.size, np.int32)
            route(sent.codes, self.index.reshape(-1), codes)
            return Once.of(codes, sent.start, self.index.shape, sent.period)
        messages = sent.messages.reshape(len(sent.steps), -1)
        if not self.plain:
            out = np.empty((len(messages), self.index.size), messages.dtype)
            route_all(messages, self.index.reshape(-1), out)
            messages = out
        return Sent(sent.steps, messages.reshape(-1, *self.index.shape))
