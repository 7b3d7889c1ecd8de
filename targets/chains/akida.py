"""Akida 1 (BrainChip): layers whose neurons keep nothing from one input to the next, in the software backend of ``akida``.

    z = 1 if W x > theta, else 0

with binary x and 4-bit weights. Each time step is an input of its own, so what has a form here is NIR's Threshold, and LIF
with tau = dt; a neuron that remembers has none. That rules out phase codes, which live in time. Akida's usual way, 4-bit
activations, is a quantised network that does not come from here.
"""

from __future__ import annotations

from typing import Any

import nir
import numpy as np

from processes.errors import DeployError
from targets.chains import Held, Request, held_by, rounding
from targets.chains.chain import Population, chain_of
from targets.tools import AKIDA

WEIGHT = 2**3 - 1
THRESHOLD = 2**19


def hold(request: Request) -> Held:
    """Integers of a chain of memoryless populations.

    Raises:
        DeployError: neurons that remember, or an input of more than zeros and ones.
    """
    if np.max(request.inputs[request.plan.inputs[0]], initial=0) > 1:
        raise DeployError("--target akida takes zeros and ones here; the input has more")
    chain = chain_of(request.plan, request.dt, request.method, (nir.Threshold, nir.LIF), "Akida")
    integers = [_integers(population, request) for population in chain.populations]
    return held_by(AKIDA, "akida_worker.py", chain, integers, step_through)


def _integers(population: Population, request: Request) -> tuple[dict[str, Any], list[Any]]:
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
    # W x is whole: it exceeds theta if it exceeds the whole number below
    layer = {"weight": np.rint(weight * scale).astype(np.int64), "threshold": np.floor(theta * scale).astype(np.int64)}
    if np.abs(layer["threshold"]).max() > THRESHOLD:
        raise DeployError(
            f"'{name}': a threshold of {np.abs(layer['threshold']).max():,} weights; Akida takes {THRESHOLD:,}"
        )
    exact = {"weight": weight * scale, "threshold": theta * scale}
    return layer, [rounding(name, field, layer[field], value) for field, value in exact.items()]


def step_through(layers: list[dict[str, Any]], spikes: np.ndarray) -> list[np.ndarray]:
    """Spikes of every layer by the formula above, int64 (T, neurons)."""
    found = []
    for layer in layers:
        spikes = (spikes @ layer["weight"].T > layer["threshold"]).astype(np.int64)
        found.append(spikes)
    return found
