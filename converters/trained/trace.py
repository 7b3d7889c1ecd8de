"""A model exported for one frame, its neurons as single operations.

The neurons' forwards are replaced while it is traced; a time axis has length 1, and so has a loop over time.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any, Literal

import torch
from torch import Tensor, nn

from converters.trained.readings import Reading
from processes.errors import DeployError

Form = Literal["step", "sequence", "batch", "static"]
"""What forward takes: a frame (batch, ...), of which it is called with one after the other; all of them (T, batch, ...), or
(batch, T, ...); or an image (batch, ...), which it shows to the network for T steps itself."""

LENGTHS = ("T", "num_steps", "time_steps", "timesteps", "time_step", "n_steps", "steps")
"""Attributes that models of the form "static" keep the number of steps in."""


@torch.library.custom_op("deploy_trained::neuron", mutates_args=())
def neuron(x: Tensor, name: str, states: int) -> list[Tensor]:
    """[spikes, state 0, ...] of a population; in a trace only, where it stands for the module of that name."""
    return [torch.zeros_like(x) for _ in range(states + 1)]


@neuron.register_fake
def _(x: Tensor, name: str, states: int) -> list[Tensor]:
    return [torch.empty_like(x) for _ in range(states + 1)]


class _Output(nn.Module):
    """A model whose forward gives its first result only."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, x: Tensor) -> Tensor:
        return first(self.model(x))


def first(y: Any) -> Tensor:
    """The first tensor of what a forward returned."""
    while isinstance(y, (tuple, list)):
        y = y[0]
    return y


def trace(
    model: nn.Module, shape: tuple[int, ...], form: Form, frames: int, neurons: dict[str, Reading]
) -> torch.export.ExportedProgram:
    """Export ``model`` for one frame of ``shape``.

    Raises:
        DeployError: it cannot be exported; or a "static" model does not say where its number of steps is.
    """
    frame = torch.zeros(1, *shape) if form in ("step", "static") else torch.zeros(1, 1, *shape)
    frame = frame.to(next((p.dtype for p in model.parameters() if p.is_floating_point()), torch.float32))
    try:
        with torch.no_grad(), _replaced(model, neurons), lengths(model, form, frames, 1):
            program = torch.export.export(_Output(model).eval(), (frame,), strict=False)
            return program.run_decompositions({})
    except DeployError:
        raise
    except Exception as error:
        line = next(iter(str(error).strip().splitlines()), type(error).__name__)
        raise DeployError(f"{type(model).__name__} cannot be traced for one frame ({form}): {line}") from error


@contextlib.contextmanager
def lengths(model: nn.Module, form: Form, frames: int, steps: int) -> Iterator[None]:
    """A "static" model with another number of steps.

    Raises:
        DeployError: no module has an attribute of :data:`LENGTHS` that is ``frames``.
    """
    places = [
        (module, name)
        for module in model.modules()
        for name in LENGTHS
        if form == "static" and type(getattr(module, name, None)) is int and getattr(module, name) == frames
    ]
    if form == "static" and not places:
        named = ", ".join(LENGTHS)
        raise DeployError(
            f"--form static: no module keeps the number of steps ({frames}) in an attribute {named}; give --frames as the "
            "model has it, or write a forward that takes one frame or all of them"
        )
    try:
        for module, name in places:
            setattr(module, name, steps)
        yield
    finally:
        for module, name in places:
            setattr(module, name, frames)


@contextlib.contextmanager
def _replaced(model: nn.Module, neurons: dict[str, Reading]) -> Iterator[None]:
    modules = dict(model.named_modules())
    changed: list[tuple[nn.Module, str]] = []

    def put(module: nn.Module, name: str, value: Any) -> None:
        module.__dict__[name] = value
        changed.append((module, name))

    try:
        for name, reading in neurons.items():
            put(modules[name], "forward", _stand_in(name, reading))
            for method, count in reading.stubs.items():
                put(modules[name], method, _stub(count))
        yield
    finally:
        for module, name in changed:
            del module.__dict__[name]


def _stand_in(name: str, reading: Reading) -> Any:
    def forward(x: Tensor, *states: Any, **named: Any) -> Any:
        x = x if reading.feed is None else reading.feed(x)
        return reading.returned(neuron(x, name, reading.rule.states))

    return forward


def _stub(count: int) -> Any:
    def at_first() -> Any:
        found = tuple(torch.zeros(()) for _ in range(count))
        return found[0] if count == 1 else found

    return at_first
