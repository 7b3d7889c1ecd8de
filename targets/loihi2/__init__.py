"""Loihi 2: exports a converted network as a folder for a lab with the chip, which checks itself.

The folder holds the network (graph.nir and network.json), its integers (parameters/*.npz), when each node fires (windows in
network.json), the cores that hold it (placement), what every neuron computes (programs/, integer formulas), one sample
with every spike and potential that it causes (golden.npz), and run.py, which steps the formulas and compares.
"""

from __future__ import annotations

import dataclasses
import json
import shutil
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np
import torch

from evaluator.closed_form import ClosedForm
from evaluator.network_file import write
from evaluator.target_run import Done, TargetRun
from evaluator.timeline import timeline
from processes.errors import DeployError
from processes.network import Network, SiExp, SiNeuron, SiNorm, Woss
from processes.operation import Operation, to_metadata
from processes.routing import Route, apply
from targets import closed_form_target
from targets.loihi2.bundle.programs import PROGRAMS
from targets.placement import Placement, place
from targets.placement.chip import load_chip

BASELINE = "it is a floating-point baseline, which no conversion to integers takes"
NO_PROGRAM = {"rate_neuron": BASELINE, "if_neuron": BASELINE}
"""By operation name: why it has no program. PROGRAMS and NO_PROGRAM together name all operations."""
FILES = ("run.py", "README.md")
"""Files of bundle/ that are copied unchanged, beside programs/."""
SCALARS = (int, float, bool, str)
"""Types of an operation's fields that go into network.json."""


def run(network: Network, samples: np.ndarray, granularity: str = "", done: Done | None = None) -> TargetRun:
    """Refuse a converted network: its neurons need microcode, which Lava does not have.

    Raises:
        DeployError: always; the message names the first population that needs microcode.
    """
    name, op = next((name, node.op.name) for name, node in network if node.op.fires)
    raise DeployError(
        f"'{name}' is a {op}: Lava has no NeuroCore model of it; `deploy export OUT --format loihi2` writes the bundle, "
        "with every neuron's program in integers"
    )


def write_bundle(network: Network, sample: np.ndarray, folder: Path) -> Placement:
    """Write the bundle of a fixed-point network into an existing, empty folder, and return the network's placement.

    Args:
        network: converted to integers.
        sample: (1, *input) in real units, whose closed form becomes golden.npz.
        folder: where to write.

    Raises:
        DeployError: the network is floating point, or has an operation without a program.
    """
    if not network.header.fixed:
        raise DeployError("a Loihi 2 bundle holds integers: convert with --precision fixed")
    for name, node in network:
        if node.op.name not in PROGRAMS:
            why = NO_PROGRAM[node.op.name]
            raise DeployError(f"'{name}' is a {node.op.name}, which has no integer program for Loihi 2: {why}")
    write(folder / "graph.nir", network)
    placement = place(network, load_chip("loihi2"))
    (folder / "network.json").write_text(json.dumps(_describe(network, folder), indent=1) + "\n")
    _write_placement(placement, folder)
    _write_golden(network, sample, folder)
    with resources.as_file(resources.files("targets.loihi2") / "bundle") as bundle:
        for name in FILES:
            shutil.copyfile(bundle / name, folder / name)
        shutil.copytree(bundle / "programs", folder / "programs", ignore=shutil.ignore_patterns("__pycache__"))
    return placement


def _describe(network: Network, folder: Path) -> dict[str, Any]:
    """Return the content of network.json, and write the nodes' arrays to parameters/*.npz."""
    times = timeline(network)
    (folder / "parameters").mkdir()
    nodes = []
    for i, (name, node) in enumerate(network):
        op, window, span = node.op, times.windows[name], times.span(network, name)
        arrays, scalars = _parameters(network, name, op)
        path = f"parameters/{i:04d}.npz"
        np.savez_compressed(folder / path, **arrays)  # type: ignore[arg-type]  # names are the fields'
        nodes.append(
            {
                "name": name, "op": op.name, "inputs": list(node.inputs), "shape": list(op.shape), "emits": op.emits,
                "window": [window.start, window.stop], "span": [span.start, span.stop],
                "spikes": getattr(op, "spikes", 1), "state_bits": getattr(op, "state_bits", 0),
                "parameters": path, "scalars": scalars,
            }
        )  # fmt: skip
    about = {key: value for key, value in network.header.entries().items() if isinstance(value, SCALARS)}
    return {"about": about, "period": times.period, "input": list(network.input_shape), "nodes": nodes}


def _parameters(network: Network, name: str, op: Operation) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    """(arrays, scalars) of an operation by field, names of nested fields joined by dots; a route is its index map."""
    if isinstance(op, Route):
        numbered = torch.arange(1, int(np.prod(op.source_shape)) + 1).reshape(op.source_shape)
        return {"index": apply(numbered, op.chain, 0).contiguous().numpy() - 1}, {}
    flat = _flatten(to_metadata(op) | _fields(op))
    if isinstance(op, SiNeuron):
        flat["sign"] = op.sign
        del flat["output"]  # real values, which the reading synapses' traces hold as integers
    if isinstance(op, SiNorm):
        flat["lift"] = -round(float(np.log2(op.scale.flat[0])))
    if isinstance(op, (SiExp, Woss)):
        mask = op.mask()
        flat["mask"] = mask.reshape(*mask.shape[-len(op.shape) :]) if mask.ndim > len(op.shape) else mask
    arrays = {key: value for key, value in flat.items() if isinstance(value, np.ndarray)}
    return arrays, {key: value for key, value in flat.items() if isinstance(value, SCALARS) and key != "shape"}


def _fields(op: Operation) -> dict[str, Any]:
    """All array fields of an operation; metadata leaves out empty ones."""
    return {f.name: v for f in dataclasses.fields(op) if isinstance(v := getattr(op, f.name), np.ndarray)}


def _flatten(values: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    """Nested dictionaries as one, keys joined by dots."""
    flat: dict[str, Any] = {}
    for key, value in values.items():
        if isinstance(value, dict):
            flat |= _flatten(value, f"{prefix}{key}.")
        else:
            flat[f"{prefix}{key}"] = value
    return flat


def _write_placement(placement: Placement, folder: Path) -> None:
    """Write placement.json (each layer's cores and what they hold) and placement.npz (the core of every neuron)."""
    cores: dict[str, np.ndarray] = {}
    for layer in placement.layers:
        if layer.tile is not None:
            neurons, rows = layer.core_of()
            cores[layer.population.name] = neurons.astype(np.int32)
            if layer.population.row_neurons:
                cores[f"{layer.population.name}.row"] = rows.astype(np.int32)
    np.savez_compressed(folder / "placement.npz", **cores)  # type: ignore[arg-type]
    layers = [
        {
            "name": layer.population.name, "neurons": layer.population.neurons, "cores": layer.cores,
            "first_core": layer.first, "tile": None if layer.tile is None else [layer.tile.rows, layer.tile.columns],
            "use": None if layer.tile is None else layer.tile.use, "obstacles": list(layer.obstacles),
        }
        for layer in placement.layers
    ]  # fmt: skip
    chip = placement.chip
    content = {
        "chip": chip.name,
        "limits": chip.limits,
        "sources": chip.sources,
        "cores": placement.cores,
        "layers": layers,
    }
    (folder / "placement.json").write_text(json.dumps(content, indent=1) + "\n")


def _write_golden(network: Network, sample: np.ndarray, folder: Path) -> None:
    """Write golden.npz: the graded input, and codes (planes, *shape) or potentials (*shape) of all nodes but routes."""
    run = closed_form_target.run(network, sample[:1])
    graded = ClosedForm(network).encode(sample[:1])[0].cpu().numpy()
    golden = {name: _narrow(value[0]) for name, value in run.values.items()}
    np.savez_compressed(folder / "golden.npz", input=graded, **golden)


def _narrow(values: np.ndarray) -> np.ndarray:
    """Integers that the closed form holds in floating point as int32; integer arrays as they are."""
    return np.rint(values).astype(np.int32) if values.dtype.kind == "f" else values
