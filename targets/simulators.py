"""Other simulators that run plain NIR, in this process: import a graph, step it, watch its neurons."""

from __future__ import annotations

import contextlib
import importlib.util
import io
import warnings
from collections.abc import Callable
from typing import Any

import nir
import numpy as np
import torch

from processes.errors import DeployError

Run = tuple[np.ndarray, dict[str, np.ndarray]]


def _snntorch(graph: nir.NIRGraph) -> torch.nn.Module:
    from snntorch.import_nir import import_from_nir

    return import_from_nir(graph)


def _norse(graph: nir.NIRGraph) -> torch.nn.Module:
    from norse.torch import from_nir  # pyright: ignore[reportMissingImports]

    module = from_nir(graph, ignore_warnings=True)
    for cell in module.modules():
        if hasattr(cell, "p"):  # parameters are a tuple of tensors, which Module.double does not see
            cell.p = type(cell.p)(*(v.double() if torch.is_tensor(v) else v for v in cell.p))  # type: ignore[attr-defined]
    return module


SIMULATORS: dict[str, Callable[[nir.NIRGraph], torch.nn.Module]] = {"snntorch": _snntorch, "norse": _norse}


def check_simulator(name: str) -> None:
    """Raise DeployError if it is unknown or not installed."""
    if name not in SIMULATORS:
        raise DeployError(f"{name}: no simulator that runs in this process; known are {', '.join(SIMULATORS)}")
    if importlib.util.find_spec(name) is None:
        raise DeployError(f"{name} is not installed; pip install 'spikedeploy[simulators]'")


def simulate(name: str, graph: nir.NIRGraph, inputs: np.ndarray, dtype: torch.dtype = torch.float64) -> Run:
    """Run a chain of Affine, Conv2d and LIF in a simulator, as its own importer builds it.

    Args:
        name: of the simulator.
        graph: in its dialect.
        inputs: (N, T, *shape).
        dtype: of its arithmetic. Importers round the parameters to float32 in any case.

    Returns:
        The outputs (N, T, *shape), and the spikes of every LIF by node name, (N, T, *shape).
    """
    check_simulator(name)
    # importers print what they do, warn of their own deprecations, and change the graph they are given
    graph = nir.NIRGraph(dict(graph.nodes), list(graph.edges), type_check=False)
    spikes: dict[str, list[np.ndarray]] = {key: [] for key, node in graph.nodes.items() if isinstance(node, nir.LIF)}
    outputs: list[np.ndarray] = []
    with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()), torch.no_grad():
        warnings.simplefilter("ignore")
        module = SIMULATORS[name](graph).to(dtype)
        for key in spikes:
            module.get_submodule(key).register_forward_hook(_watch(spikes[key], dtype))
        x, state = torch.from_numpy(inputs).to(dtype), None
        for t in range(inputs.shape[1]):
            y, state = module(x[:, t], state)
            outputs.append(y.numpy())
    return np.stack(outputs, 1), {key: np.stack(kept, 1) for key, kept in spikes.items()}


def _watch(kept: list[np.ndarray], dtype: torch.dtype) -> Callable[..., Any]:
    """A hook that keeps a neuron's spikes, and hands them on in the arithmetic of the rest (some make them float32)."""

    def hook(module: torch.nn.Module, arguments: Any, out: Any) -> Any:
        spikes = out[0] if isinstance(out, tuple) else out
        kept.append(spikes.numpy())
        return (spikes.to(dtype), *out[1:]) if isinstance(out, tuple) else spikes.to(dtype)

    return hook
