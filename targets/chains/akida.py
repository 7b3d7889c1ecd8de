"""Akida 1 (BrainChip): layers of neurons without memory, in the software backend of the package ``akida``.

    z = 1 if W x > theta, else 0

with binary x and 4-bit weights. Each time step is a separate input, so NIR's Threshold, and LIF with tau = dt, can be
expressed; neurons that keep a potential cannot, which rules out phase codes. Networks with Akida's usual 4-bit
activations are quantised networks, which this adapter does not produce.
"""

from __future__ import annotations

from typing import Any

import nir
import numpy as np

from processes.errors import DeployError
from targets.chains import Held, Request, held_by, rounding
from targets.chains.chain import Population, chain_of
from targets.tools import AKIDA

WEIGHT = 2**3 - 1  # largest weight of 4 bits
THRESHOLD = 2**19  # largest |threshold|


def hold(request: Request) -> Held:
    """Convert a chain of memoryless populations to Akida's integers.

    Raises:
        DeployError: neurons that keep a potential, a threshold out of range, or inputs other than zeros and ones.
    """
    if np.max(request.inputs[request.plan.inputs[0]], initial=0) > 1:
        raise DeployError("--target akida takes zeros and ones here; the input has more")
    chain = chain_of(request.plan, request.dt, request.method, (nir.Threshold, nir.LIF), "Akida")
    integers = [_integers(population, request) for population in chain.populations]
    return held_by(AKIDA, "akida_worker.py", chain, integers, step_through)


def _integers(population: Population, request: Request) -> tuple[dict[str, Any], list[Any]]:
    """(integer weight and threshold, their roundings); weights and thresholds are scaled to 4-bit weights."""
    name = population.name
    if isinstance(population.node, nir.Threshold):
        gain, bias, theta = 1.0, population.bias, population.per_neuron("threshold")
    else:
        of = population.recurrence(request.dt, request.method)
        kept = np.abs(of.a_v).max()
        if kept > 1e-6 or population.per_neuron("v_reset").any() or request.reset == "subtract":
            raise DeployError(
                f"'{name}' keeps {kept:.3g} of its potential from step to step; Akida's neurons keep none"
            )
        gain, theta = of.c_x[:, None], population.per_neuron("v_threshold")
        bias = population.bias * of.c_x + of.b
    weight, theta = population.weight * gain, theta - bias
    scale = WEIGHT / np.abs(weight).max()
    # W x is an integer, so W x > theta is W x > floor(theta)
    layer = {"weight": np.rint(weight * scale).astype(np.int64), "threshold": np.floor(theta * scale).astype(np.int64)}
    if np.abs(layer["threshold"]).max() > THRESHOLD:
        raise DeployError(
            f"'{name}': a threshold of {np.abs(layer['threshold']).max():,} weights; Akida takes {THRESHOLD:,}"
        )
    exact = {"weight": weight * scale, "threshold": theta * scale}
    return layer, [rounding(name, field, layer[field], value) for field, value in exact.items()]


def step_through(layers: list[dict[str, Any]], spikes: np.ndarray) -> list[np.ndarray]:
    """Spikes of every layer, int64 (T, neurons), by z = 1 if W x > theta, for spikes int64 (T, sources)."""
    found = []
    for layer in layers:
        spikes = (spikes @ layer["weight"].T > layer["threshold"]).astype(np.int64)
        found.append(spikes)
    return found
