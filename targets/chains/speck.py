"""Speck (SynSense): convolutional layers of integrate-and-fire neurons without leak, in sinabs' simulator.

    v <- max(v + W z + b, -2^15);   fires once if v >= theta;   then v <- 0, or v <- v - theta where resets subtract

Weights have 8 bits; biases, v and theta 16. Each layer takes one of nine cores with kernel, neuron and bias memory.
With c input channels and f features, a k x k kernel takes c * 2^(ceil(log2 k^2) + ceil(log2 f)) words, and an h x w map
takes f * 2^(ceil(log2 h) + ceil(log2 w)); sizes from sinabs 3.1.3, backend/dynapcnn. The chip itself works event by
event, without a clock; a time step is sinabs' way of batching events, in which a neuron fires at most once here.
"""

from __future__ import annotations

import math
from typing import Any

import nir
import numpy as np
from scipy.sparse import csr_matrix
from scipy.sparse.csgraph import maximum_bipartite_matching

from processes.errors import DeployError
from targets.chains import Held, Request, held_by, rounding
from targets.chains.chain import Population, chain_of
from targets.tools import SINABS

WEIGHT, STATE = 2**7 - 1, 2**15 - 1
CORES = {
    "kernel": (16, 16, 16, 32, 32, 64, 64, 16, 16), "neuron": (64, 64, 64, 32, 32, 16, 16, 16, 16), "bias": (1,) * 9,
}  # fmt: skip
"""Memory of each core, in 1,024 words."""


def hold(request: Request) -> Held:
    """Convert a chain of IF populations to Speck's integers.

    Raises:
        DeployError: a layer fits on no core, there are too many layers, or neurons that Speck does not have.
    """
    chain = chain_of(request.plan, request.dt, request.method, (nir.IF,), "Speck")
    integers = [_integers(population, request) for population in chain.populations]
    _place(chain.populations)
    return held_by(SINABS, "speck_worker.py", chain, integers, step_through)


def _integers(population: Population, request: Request) -> tuple[dict[str, Any], list[Any]]:
    """(integer weight, bias and threshold, their roundings), scaled to use 8-bit weights or 16-bit states in full."""
    name, of = population.name, population.recurrence(request.dt, request.method)
    if population.per_neuron("v_reset").any():
        raise DeployError(f"'{name}': Speck resets to zero or subtracts the threshold; v_reset has to be 0")
    if len(np.unique(population.per_neuron("v_threshold"))) > 1:
        raise DeployError(f"'{name}': Speck has one threshold a layer, this has several")
    theta = float(population.per_neuron("v_threshold")[0])
    weight, bias = population.weight * of.c_x[:, None], population.bias * of.c_x + of.b
    scale = min(WEIGHT / np.abs(weight).max(), STATE / max(theta, float(np.abs(bias).max(initial=0))))
    layer = {
        "weight": np.rint(weight * scale).astype(np.int64), "bias": np.rint(bias * scale).astype(np.int64),
        "threshold": round(theta * scale), "subtract": request.reset == "subtract",
    }  # fmt: skip
    if layer["threshold"] < 1:
        largest = np.abs(weight).max() / theta
        raise DeployError(f"'{name}': its weights reach {largest:.3g} thresholds, Speck takes {2 * WEIGHT}")
    exact = {"weight": weight * scale, "bias": bias * scale, "threshold": np.array([theta * scale])}
    return layer, [rounding(name, field, np.asarray(layer[field]), value) for field, value in exact.items()]


def step_through(layers: list[dict[str, Any]], spikes: np.ndarray) -> list[np.ndarray]:
    """Spikes of every layer by the module's recurrence in numpy, int64 (T, neurons), for spikes int64 (T, sources)."""
    found = []
    for layer in layers:
        v = np.zeros(len(layer["weight"]), np.int64)
        fired = np.zeros((len(spikes), len(v)), np.int64)
        for t, z in enumerate(spikes):
            v = np.maximum(v + layer["weight"] @ z + layer["bias"], -STATE - 1)
            fired[t] = v >= layer["threshold"]
            v = v - layer["threshold"] * fired[t] if layer["subtract"] else np.where(fired[t], 0, v)
        found.append(fired)
        spikes = fired
    return found


def _place(populations: tuple[Population, ...]) -> None:
    """Raise DeployError unless each layer can have a core of its own that holds it (a bipartite matching)."""
    needs = [memory(population) for population in populations]
    fits = np.array([[all(need[k] <= 1024 * CORES[k][core] for k in CORES) for core in range(9)] for need in needs])
    for population, need, cores in zip(populations, needs, fits, strict=True):
        if not cores.any():
            words = ", ".join(f"{need[k]:,} words of {k} memory (at most {1024 * max(CORES[k]):,})" for k in CORES)
            raise DeployError(f"'{population.name}' fits on no core of Speck: it needs {words}")
    if (maximum_bipartite_matching(csr_matrix(fits), "column") < 0).any():
        raise DeployError(f"the network's {len(needs)} layers do not fit on Speck's nine cores side by side")


def memory(population: Population) -> dict[str, int]:
    """Words of kernel, neuron and bias memory that a layer takes."""
    out = (population.shape * 3)[:1] + (1, 1) if len(population.shape) == 1 else population.shape
    kernel = _kernel(population)
    return {
        "kernel": kernel[1] * 2 ** (_bits(kernel[2] * kernel[3]) + _bits(kernel[0])),
        "neuron": out[0] * 2 ** (_bits(out[1]) + _bits(out[2])),
        "bias": len(population.bias) if len(population.shape) == 1 else out[0],
    }


def _kernel(population: Population) -> tuple[int, ...]:
    """(features, channels, height, width) of a layer's convolution on Speck; a dense layer is one of its input's size.

    Raises:
        DeployError: the layer is not a single convolution or matrix, or has a kernel that Speck does not run.
    """
    weighted = [item.node for item in population.between if isinstance(item.node, nir.Affine | nir.Linear | nir.Conv2d)]
    others = [
        item.node for item in population.between if not isinstance(item.node, nir.Affine | nir.Linear | nir.Conv2d)
    ]
    if len(weighted) != 1 or not all(
        isinstance(n, nir.SumPool2d | nir.Flatten | nir.Input | nir.Output) for n in others
    ):
        raise DeployError(
            f"'{population.name}': a layer of Speck has one Conv2d, Affine or Linear behind SumPool2d or Flatten"
        )
    node: Any = weighted[0]
    if isinstance(node, nir.Conv2d):
        if node.groups != 1 or np.any(np.asarray(node.dilation) != 1) or len(set(node.weight.shape[2:])) > 1:
            raise DeployError(f"'{population.name}': Speck's kernels are square, neither grouped nor dilated")
        return node.weight.shape
    reads = population.reads if len(population.reads) == 3 else (int(np.prod(population.reads)), 1, 1)
    return (len(population.bias), *reads)


def _bits(n: int) -> int:
    """Address bits of ``n`` entries."""
    return math.ceil(math.log2(n))
