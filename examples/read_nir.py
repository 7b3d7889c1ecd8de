"""A reader of our plain NIR exports in numpy and h5py alone, without nir and without this package.

    deploy export out/mlp --plain -o mlp.nir     # writes mlp.golden.npz beside it
    python examples/read_nir.py mlp.nir          # steps the network and compares every spike and potential

Plain exports are chains and branches of Affine, Linear, Conv2d, Flatten, IF and LIF; the file's metadata says how they are
stepped.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import h5py
import numpy as np

Nodes = dict[str, dict[str, Any]]


def read(path: Path) -> tuple[Nodes, list[tuple[str, str]], dict[str, Any]]:
    """Nodes by name, edges, and the metadata: dt, method, reset."""

    def value(data: h5py.Dataset) -> Any:
        found = data[()]
        return found.decode() if isinstance(found, bytes) else found

    with h5py.File(path) as file:
        graph = file["node"]
        nodes = {name: {key: value(data) for key, data in node.items() if isinstance(data, h5py.Dataset)}
                 for name, node in graph["nodes"].items()}  # fmt: skip
        edges = [(source.decode(), target.decode()) for source, target in graph["edges"][()]]
        return nodes, edges, {key: value(data) for key, data in graph["metadata"].items()}


def in_order(nodes: Nodes, edges: list[tuple[str, str]]) -> list[str]:
    """Every node after those that it reads."""
    done: list[str] = []
    while len(done) < len(nodes):
        ready = [name for name in nodes if name not in done and all(s in done for s, t in edges if t == name)]
        if not ready:
            raise ValueError("the graph has a cycle")
        done += sorted(ready)
    return done


def convolved(x: np.ndarray, node: dict[str, Any]) -> np.ndarray:
    """Conv2d of x (channels, H, W), one kernel position at a time."""
    weight, (down, across), (rise, run) = node["weight"].astype(float), node["stride"], node["padding"]
    x = np.pad(x, ((0, 0), (rise, rise), (run, run)))
    height, width = weight.shape[2:]
    rows, columns = (x.shape[1] - height) // down + 1, (x.shape[2] - width) // across + 1
    y = np.zeros((len(weight), rows, columns))
    per = len(weight) // int(node["groups"])
    for out in range(len(weight)):
        own = x[out // per * weight.shape[1] :][: weight.shape[1]]
        for i in range(rows):
            for j in range(columns):
                patch = own[:, i * down : i * down + height, j * across : j * across + width]
                y[out, i, j] = (patch * weight[out]).sum()
    return y + node["bias"].reshape(-1, 1, 1)


class Neuron:
    """IF or LIF: v <- a v + c x + b, a spike where v is above the threshold, then a reset."""

    def __init__(self, node: dict[str, Any], dt: float, method: str, reset: str) -> None:
        tau = node.get("tau")
        rate = None if tau is None else dt / tau if method == "euler" else -np.expm1(-dt / tau)
        self.a, self.c = (1.0, dt * node["r"]) if rate is None else (1 - rate, rate * node["r"])
        self.b = 0.0 if rate is None else rate * node["v_leak"]
        self.threshold, self.rest, self.reset = node["v_threshold"], node.get("v_reset", 0.0), reset
        self.v: Any = 0.0

    def step(self, x: np.ndarray) -> np.ndarray:
        """Spikes of one time step."""
        v = self.a * self.v + self.c * x + self.b
        spikes = v > self.threshold
        after = v - self.threshold + self.rest if self.reset == "subtract" else self.rest
        self.v = np.where(spikes, after, v)
        return spikes.astype(float)


def run(path: Path, inputs: np.ndarray) -> dict[str, np.ndarray]:
    """Spikes, potentials and outputs (T, *shape) for inputs (T, *shape)."""
    nodes, edges, how = read(path)
    neurons = {
        name: Neuron(node, how["dt"], how["method"], how["reset"]) for name, node in nodes.items() if "r" in node
    }
    found: dict[str, list[np.ndarray]] = {}
    order = in_order(nodes, edges)
    for x in inputs:
        now: dict[str, Any] = {}
        for name in order:
            node, arrived = nodes[name], sum(now[source] for source, target in edges if target == name)
            kind = node["type"]
            if kind == "Input":
                now[name] = x
            elif kind in ("Affine", "Linear"):
                now[name] = node["weight"].astype(float) @ arrived + node.get("bias", 0.0)
            elif kind == "Conv2d":
                now[name] = convolved(arrived, node)
            elif kind in ("IF", "LIF"):
                now[name] = neurons[name].step(arrived)
                found.setdefault(f"spikes:{name}", []).append(now[name])
                found.setdefault(f"potentials:{name}", []).append(neurons[name].v)
            elif kind == "Flatten":
                now[name] = np.reshape(arrived, -1)
            elif kind == "Output":
                found.setdefault(f"output:{name}", []).append(arrived)
            else:
                raise ValueError(f"{name}: a {kind}, which this reader does not know")
    return {key: np.stack(values) for key, values in found.items()}


def main(path: Path) -> None:
    """Compare with the golden data beside the file."""
    with np.load(path.with_name(f"{path.stem}.golden.npz")) as golden:
        got = run(path, golden["input"])
        for key in sorted(set(golden.files) - {"input"}):
            apart = np.abs(got[key] - golden[key]).max()
            print(f"{key}: {golden[key].size:,} values, largest difference {apart:.1e}")
            if apart > 1e-9 * (1 + np.abs(golden[key]).max()):
                raise SystemExit(f"{key} differs")


if __name__ == "__main__":
    if len(sys.argv) != 2:
        raise SystemExit(
            "give a plain export: python examples/read_nir.py mlp.nir (`deploy export OUT --plain -o mlp.nir`)"
        )
    main(Path(sys.argv[1]))
