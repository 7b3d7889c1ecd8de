"""Runs of the original module of a trained spiking network: its output and every neuron's spikes, to compare with."""

from __future__ import annotations

import inspect
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from converters.trained.readings import Reading
from converters.trained.trace import Form, first, lengths
from processes.errors import DeployError
from processes.spiking import Graph, Neuron


@dataclass(frozen=True)
class Reference:
    """The results of a run of the original module.

    Attributes:
        output: float64, as the module's forward returned it; (T, samples, ...) of the form "step".
        spikes: by neuron population, bool (samples, T, *shape).
    """

    output: np.ndarray
    spikes: dict[str, np.ndarray]


def run_original(
    model: nn.Module, x: np.ndarray, form: Form, graph: Graph, neurons: dict[str, Reading], dtype: torch.dtype
) -> Reference:
    """Run the original module on a batch of samples, and record the spikes of its neurons.

    Args:
        model: the module; it is put in evaluation mode, and converted to ``dtype`` for good.
        x: frames (samples, T, *shape); of the form "static" all T frames of a sample are the same image.
        form: what the module's forward takes.
        graph: the captured network, which says what neurons there are, and of which shape.
        neurons: readings by qualified module name.
        dtype: float64 leaves no ties by rounding; float32 is what most modules were trained in.

    Raises:
        DeployError: a neuron was not called once for each step, or forward itself fails.
    """
    model = model.eval().to(dtype)
    modules = dict(model.named_modules())
    heard: dict[str, list[np.ndarray]] = {
        name: [] for name, node in graph.nodes.items() if isinstance(node.op, Neuron) and node.op.emits is None
    }

    def listen(name: str) -> Any:
        return lambda module, inputs, outputs: heard[name].append(first(outputs).detach().cpu().numpy() != 0)

    reset(model, neurons)
    hooks: list[Any] = [modules[name].register_forward_hook(listen(name)) for name in heard]
    hooks += [module.register_forward_pre_hook(_cast(dtype)) for module in modules.values()]
    samples, steps = x.shape[:2]
    frames = torch.from_numpy(x).to(dtype)
    try:
        with torch.no_grad(), lengths(model, form, steps, steps):
            output = _run(model, frames, form)
    except DeployError:
        raise
    except Exception as error:
        line = next(iter(str(error).strip().splitlines()), type(error).__name__)
        raise DeployError(
            f"{type(model).__name__}'s own forward fails with {samples} samples in {str(dtype).removeprefix('torch.')} (form "
            f"{form}): {line}"
        ) from error
    finally:
        for hook in hooks:
            hook.remove()
        reset(model, neurons)
    spikes: dict[str, np.ndarray] = {}
    for name, calls in heard.items():
        shape = graph.nodes[name].shape
        if sum(call.size for call in calls) != samples * steps * int(np.prod(shape)):
            raise DeployError(f"{name}: called {len(calls)} times for {steps} steps; it has to run once in each step")
        every = np.stack(calls).reshape(steps, samples, *shape)
        spikes[name] = np.swapaxes(every, 0, 1)
    return Reference(output.detach().cpu().double().numpy(), spikes)


def _cast(dtype: torch.dtype) -> Any:
    """A hook that converts a module's inputs to ``dtype``, as snnTorch and Norse send float32 spikes in any model."""

    def cast(module: nn.Module, inputs: tuple[Any, ...]) -> tuple[Any, ...]:
        return tuple(x.to(dtype) if isinstance(x, Tensor) and x.is_floating_point() else x for x in inputs)

    return cast


def _run(model: nn.Module, frames: Tensor, form: Form) -> Tensor:
    if form == "static":
        return first(model(frames[:, 0]))
    if form in ("sequence", "batch"):
        return first(model(frames if form == "batch" else frames.transpose(0, 1)))
    outputs: list[Tensor] = []
    state: Any = None
    takes_state = "state" in inspect.signature(model.forward).parameters
    for t in range(frames.shape[1]):
        y = model(frames[:, t], state) if takes_state else model(frames[:, t])
        state = y[1] if takes_state else None
        outputs.append(first(y))
    return torch.stack(outputs)


def reset(model: nn.Module, neurons: dict[str, Reading]) -> None:
    """Reset every neuron to its state before the first step, by its methods ``reset`` and ``reset_mem``, if any."""
    modules = dict(model.named_modules())
    for name in neurons:
        for method in ("reset", "reset_mem"):
            function = getattr(modules[name], method, None)
            if callable(function):
                function()


READOUTS = ("mean", "sum", "last", "each")


def readout(ours: np.ndarray, theirs: np.ndarray, margin: float, form: Form) -> str:
    """Find out how a model makes its output of the outputs of all steps: "mean", "sum", "last", or "each" step's.

    Args:
        ours: the captured graph's outputs (samples, T, *shape).
        theirs: the model's own output.
        margin: largest difference, relative to the largest value of ``theirs`` or to 1, whichever is more.
        form: of the model's forward, which says in what order it returns all steps.

    Raises:
        DeployError: none of these gives the model's output.
    """
    reach = margin * max(1.0, float(np.abs(theirs).max(initial=0)))
    for name in READOUTS:
        value = ours if (name, form) == ("each", "batch") else read_out(ours, name)
        if value.size == theirs.size and np.abs(value.ravel() - theirs.ravel()).max(initial=0) <= reach:
            return name
    raise DeployError(
        "the captured network's outputs do not make the model's own by their mean, sum or last step; what the model does "
        "between frames has to be in its neurons, and what comes after their average has to be linear"
    )


def read_out(outputs: np.ndarray, how: str) -> np.ndarray:
    """The output (samples, *shape) by the rule ``how``, given those of all steps (samples, T, *shape).

    For "each" the outputs are those of all steps, (T, samples, *shape).
    """
    if how == "each":
        return np.swapaxes(outputs, 0, 1)
    return {"mean": outputs.mean, "sum": outputs.sum}[how](1) if how != "last" else outputs[:, -1]
