"""Networks that were trained as spiking ones (snnTorch, Norse, SpikingJelly, own code), captured as they are."""

from __future__ import annotations

from dataclasses import replace

from torch import nn

from converters.trained.fold import fold
from converters.trained.leaves import neurons, register
from converters.trained.lower import Uncaptured, lower
from converters.trained.trace import Form, trace
from processes.errors import DeployError
from processes.spiking import Graph, Levels

__all__ = ["Form", "Uncaptured", "capture", "register"]


def capture(model: nn.Module, shape: tuple[int, ...], form: Form, frames: int) -> Graph:
    """Capture a trained spiking module as the graph of one of its time steps.

    Args:
        model: the module; it is put in evaluation mode.
        shape: of one frame, without time and batch.
        form: what the module's forward takes (:data:`Form`).
        frames: number of time steps, by which a "static" model's attribute is found.

    Raises:
        Uncaptured: some modules have no form in spikes; the message names all of them.
        DeployError: the module has no neurons, a neuron has a setting that no rule covers, or it cannot be traced.
    """
    found = neurons(model)
    unknown = (
        f"{type(model).__name__} has no neurons of snnTorch, Norse or SpikingJelly; tell of others by "
        "converters.trained.register(CLASS, decay=..., threshold=...) in the model's file"
    )
    try:
        graph = fold(lower(trace(model.eval(), shape, form, frames, found), model, found))
    except DeployError as error:
        raise error if found else DeployError(f"{unknown}. {error}") from error
    if not found and not any(isinstance(node.op, Levels) for node in graph.nodes.values()):
        raise DeployError(unknown)
    return replace(graph, frame=tuple(shape))
