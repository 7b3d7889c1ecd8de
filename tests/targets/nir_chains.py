"""Chains of plain populations in NIR, for the adapters of chips."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import nir
import numpy as np

from targets.nir_run import Discretisation, GraphRun, run_graph

DT = 1e-3


def chain(*nodes: Any, reads: tuple[int, ...], puts: tuple[int, ...]) -> nir.NIRGraph:
    """Nodes in a row between an Input and an Output."""
    named: dict[str, nir.NIRNode] = {"input": nir.Input({"input": np.array(reads)})}
    named |= {f"{i:02d}": node for i, node in enumerate(nodes)} | {"output": nir.Output({"output": np.array(puts)})}
    order = list(named)
    return nir.NIRGraph(named, list(itertools.pairwise(order)), type_check=False)


def affine(rng: np.random.Generator, sources: int, neurons: int, reach: float, bias: float = 0.0) -> nir.Affine:
    return nir.Affine(rng.uniform(-0.5 * reach, reach, (neurons, sources)), np.full(neurons, bias))


def full(n: int, value: float) -> np.ndarray:
    return np.full(n, value)


def lif_chain(seed: int = 1) -> nir.NIRGraph:
    """Two LIF populations that reset to zero."""
    rng = np.random.default_rng(seed)

    def lif(n: int, tau: float) -> nir.LIF:
        return nir.LIF(tau=full(n, tau), r=full(n, tau / DT), v_leak=full(n, 0.0), v_threshold=full(n, 1.0))

    return chain(affine(rng, 12, 20, 0.6), lif(20, 0.02), affine(rng, 20, 6, 0.5), lif(6, 0.01), reads=(12,), puts=(6,))


def if_convolutions(seed: int = 2) -> nir.NIRGraph:
    """A convolution, a pooling and a dense layer, all with IF neurons."""
    rng = np.random.default_rng(seed)

    def neurons(*shape: int) -> nir.IF:
        return nir.IF(r=np.full(shape, 1 / DT), v_threshold=np.full(shape, 1.0))

    return chain(
        nir.Conv2d((8, 8), rng.uniform(-0.2, 0.4, (4, 2, 3, 3)), 1, 1, 1, 1, np.zeros(4)), neurons(4, 8, 8),
        nir.SumPool2d(np.array([2, 2]), np.array([2, 2]), np.array([0, 0])),
        nir.Flatten({"input": np.array([4, 4, 4])}, 0), affine(rng, 64, 5, 0.06, 0.01), neurons(5),
        reads=(2, 8, 8), puts=(5,),
    )  # fmt: skip


def cuba_chain(seed: int = 3) -> nir.NIRGraph:
    """Three CubaLIF populations whose decays are powers of two."""
    rng = np.random.default_rng(seed)

    def cuba(n: int, syn: int, mem: int) -> nir.CubaLIF:
        return nir.CubaLIF(tau_syn=full(n, syn * DT), tau_mem=full(n, mem * DT), r=full(n, float(mem)),
                           v_leak=full(n, 0.0), v_threshold=full(n, 1.0), w_in=full(n, float(syn)))  # fmt: skip

    return chain(
        affine(rng, 10, 16, 0.3), cuba(16, 2, 8), affine(rng, 16, 12, 0.2), cuba(12, 4, 4), affine(rng, 12, 4, 0.2),
        cuba(4, 2, 16), reads=(10,), puts=(4,),
    )  # fmt: skip


def threshold_chain(seed: int = 4) -> nir.NIRGraph:
    """Units that remember nothing: thresholds, and LIF neurons with tau = dt."""
    rng = np.random.default_rng(seed)
    lif = nir.LIF(tau=full(5, DT), r=full(5, 1.0), v_leak=full(5, 0.0), v_threshold=full(5, 0.4))
    return chain(
        affine(rng, 12, 9, 0.7, -0.1), nir.Threshold(full(9, 0.6)), affine(rng, 9, 5, 0.5), lif, reads=(12,), puts=(5,)
    )  # fmt: skip


def spikes(graph: nir.NIRGraph, samples: int = 2, steps: int = 60, rate: float = 0.3) -> dict[str, np.ndarray]:
    shape = tuple(graph.nodes["input"].input_type["input"])
    return {"input": (np.random.default_rng(9).random((samples, steps, *shape)) < rate).astype(float)}


def run_on(
    target: str, graph: nir.NIRGraph, x: dict[str, np.ndarray], reset: Any = "v_reset", **options: Any
) -> GraphRun:
    return run_graph(graph, x, Discretisation(DT, "euler", reset, **options), target)


def write(graph: nir.NIRGraph, path: Path) -> Path:
    nir.write(path, graph)
    return path
