"""Routing: reshape, transpose, select, pad, roll, ... are wiring, not computation.

A route is a chain of steps on one sample's axes. It costs no stage and no time: on hardware it is the index map
that tells each axon its target; here it is a view in the closed form and a gather in the stepper.
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


def apply_step(x: torch.Tensor, step: Step, lead: int) -> torch.Tensor:
    """One routing step on the sample axes of ``x``, which follow ``lead`` axes for samples and planes."""
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
            return x.index_select(lead + axis, torch.as_tensor(indices, dtype=torch.int64, device=x.device))
        case _:
            raise ValueError(f"unknown routing step {kind!r}")


def apply(x: torch.Tensor, steps: tuple[Step, ...], lead: int) -> torch.Tensor:
    """A whole route."""
    for step in steps:
        x = apply_step(x, step, lead)
    return x


def route_shape(shape: tuple[int, ...], steps: tuple[Step, ...]) -> tuple[int, ...]:
    """Sample shape after a route."""
    return tuple(apply(torch.empty(shape, device="meta"), steps, 0).shape)


@dataclass(frozen=True, eq=False, kw_only=True)
class Route(Operation):
    """A chain of routing steps, as JSON text ``steps`` = [[kind, argument], ...].

    ``carries`` says what is routed: spikes, currents or graded potentials. Padding routes in silence.
    """

    steps: str
    source_shape: tuple[int, ...]
    carries: str = "spikes"

    name: ClassVar[str] = "route"
    passes_on: ClassVar[bool] = True

    @property
    def emits(self) -> str:  # type: ignore[override]
        """A route emits what it carries."""
        return self.carries

    @cached_property
    def chain(self) -> tuple[Step, ...]:
        """The parsed steps."""
        return tuple((kind, arg) for kind, arg in json.loads(self.steps))

    def window(self, sources: list[Window], ready: list[int]) -> Window:
        """The same steps as what it carries: wiring takes no time."""
        return sources[0]

    def ideal(self, *inputs: torch.Tensor) -> torch.Tensor:
        """The routed tensor."""
        return apply(inputs[0], self.chain, 1)

    def closed_form(self, *inputs: torch.Tensor, dtype: torch.dtype = torch.float32) -> Result:
        """The routed codes or potentials."""
        return Result(apply(inputs[0], self.chain, 2 if self.carries == "spikes" else 1))

    def stepper(self, window: Window, sources: list[Window]) -> RouteStepper:
        """A gather by the route's index map."""
        return RouteStepper(self)


class RouteStepper:
    """Gathers each message by an index map; index 0 is a constant zero for padding."""

    def __init__(self, op: Route) -> None:
        size = int(np.prod(op.source_shape))
        numbered = torch.arange(1, size + 1).reshape(op.source_shape)
        self.index = apply(numbered, op.chain, 0).contiguous().numpy()
        self.plain = (
            bool((self.index.reshape(-1) == np.arange(1, size + 1)).all()) if self.index.size == size else False
        )

    def reset(self) -> None:
        """Stateless."""

    def step(self, t: int, messages: list[np.ndarray | None]) -> np.ndarray | None:
        """The message of this step, routed."""
        message = messages[0]
        if message is None:
            return None
        if self.plain:
            return message.reshape(self.index.shape)
        out = np.empty(self.index.shape, message.dtype)
        route(message.reshape(-1), self.index.reshape(-1), out.reshape(-1))
        return out

    def through(self, operands: Operands, stepwise: Stepwise) -> Sent | None:
        """All messages, routed."""
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
