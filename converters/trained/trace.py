"""Tracing: a trained spiking model is exported for one frame, each of its neuron populations as a single operation.

The neurons' forwards are replaced while the model is traced; a time axis has length 1, and so has a loop over time.
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
"""What a model's forward takes.

"step": one frame (batch, ...), and is called once for each; "sequence": all frames (T, batch, ...); "batch": all frames
(batch, T, ...); "static": an image (batch, ...), which forward itself shows to the network for T steps."""

LENGTHS = ("T", "num_steps", "time_steps", "timesteps", "time_step", "n_steps", "steps")
"""Attributes in which models of the form "static" may keep their number of steps."""


@torch.library.custom_op("deploy_trained::neuron", mutates_args=())
def neuron(x: Tensor, name: str, states: int) -> list[Tensor]:
    """Stands in a trace for the neuron module ``name``: [spikes, state 0, ...], zeros of the input's shape."""
    return [torch.zeros_like(x) for _ in range(states + 1)]


@neuron.register_fake
def _(x: Tensor, name: str, states: int) -> list[Tensor]:
    return [torch.empty_like(x) for _ in range(states + 1)]


class _Output(nn.Module):
    """A model whose forward returns the first tensor of its result only."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, x: Tensor) -> Tensor:
        return first(self.model(x))


def first(y: Any) -> Tensor:
    """The first tensor of a forward's result, which may be nested tuples or lists."""
    while isinstance(y, (tuple, list)):
        y = y[0]
    return y


def trace(
    model: nn.Module, shape: tuple[int, ...], form: Form, frames: int, neurons: dict[str, Reading]
) -> torch.export.ExportedProgram:
    """Export a trained spiking model for one frame and a batch of one.

    Args:
        model: the module.
        shape: of the frame, without time and batch.
        form: what the module's forward takes.
        frames: number of time steps that a "static" model keeps in an attribute.
        neurons: readings by qualified module name.

    Raises:
        DeployError: the model cannot be exported, or a "static" model has no attribute with its number of steps.
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
    """Let a "static" model run ``steps`` steps instead of ``frames`` inside the context; other forms stay as they are.

    Raises:
        DeployError: no module of a "static" model has an attribute of :data:`LENGTHS` that equals ``frames``.
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
    """Replace the forwards of neurons by single operations, and their state methods by stubs, inside the context."""
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
    """A forward that calls the operation :func:`neuron` and returns its results as the module's own forward does."""

    def forward(x: Tensor, *states: Any, **named: Any) -> Any:
        x = x if reading.feed is None else reading.feed(x)
        return reading.returned(neuron(x, name, reading.rule.states))

    return forward


def _stub(count: int) -> Any:
    """A method that returns ``count`` initial states, all zero."""

    def at_first() -> Any:
        found = tuple(torch.zeros(()) for _ in range(count))
        return found[0] if count == 1 else found

    return at_first
