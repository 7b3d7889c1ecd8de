"""Xylo Audio 2 (SynSense): up to 1,000 neurons with two decays and subtractive reset, in XyloSim, Rockpool's simulator.

    decay(x, d) = x - max(1, x >> d) for x > 0,  x - (x >> d) for x < 0
    i <- decay(i + W z, d_syn);   v <- decay(v, d_mem) + i + b;   n = floor(v / theta) spikes, at most 31;   v <- v - n theta

with states of 16 bits and weights of 8. A state keeps the share 1 - dt/tau = 1 - 2^-d of itself in a step, d from 1 to
15. Neurons have a current and a potential, so the adapter takes CubaLIF only. Spikes reach the next population a step
later, a lag that is taken off again; the last population fires at most once a step. There are 16 inputs and 8 outputs.
"""

from __future__ import annotations

from typing import Any

import nir
import numpy as np

from processes.errors import DeployError
from targets.chains import Held, Request, held_by, rounding
from targets.chains.chain import Population, chain_of, refuse_drive
from targets.tools import XYLOSIM

WEIGHT, STATE = 2**7 - 1, 2**15 - 1
SPIKES = 31  # most spikes of a hidden neuron in a step
LIMITS = {"inputs": 16, "hidden neurons": 1000, "outputs": 8}


def hold(request: Request) -> Held:
    """Convert a chain of CubaLIF populations to Xylo's integers.

    Raises:
        DeployError: more neurons than Xylo has, other neurons, or parameters that it cannot express; a bias acts during
            the lag, so only the first population may have one.
    """
    chain = chain_of(request.plan, request.dt, request.method, (nir.CubaLIF,), "Xylo")
    *hidden, last = chain.populations
    if not hidden:
        raise DeployError("Xylo has hidden and output neurons: the network needs two populations or more")
    sizes = (hidden[0].weight.shape[1], sum(len(p.weight) for p in hidden), len(last.weight))
    for (what, limit), size in zip(LIMITS.items(), sizes, strict=True):
        if size > limit:
            raise DeployError(f"the network has {size:,} {what}; Xylo has {limit:,}")
    if request.reset != "subtract":
        raise DeployError("Xylo's spikes take the threshold off; run with --reset subtract, or convert the network so")
    integers = [_integers(population, request) for population in chain.populations]
    for population, (layer, _) in zip(chain.populations, integers, strict=True):
        layer["most"] = 1 if population is last else SPIKES
        if population is not hidden[0]:
            refuse_drive(population.name, layer["bias"], "Xylo")
    return held_by(XYLOSIM, "xylo_worker.py", chain, integers, step_through)


def _integers(population: Population, request: Request) -> tuple[dict[str, Any], list[Any]]:
    """(integer weight, bias, threshold and decay shifts; roundings of the parameters)."""
    name, of = population.name, population.recurrence(request.dt, request.method)
    assert of.a_i is not None and of.b_x is not None and of.c_i is not None
    if population.per_neuron("v_reset").any() or np.any(population.bias):
        raise DeployError(f"'{name}': Xylo has neither a v_reset nor a bias of the current; both have to be 0")
    # weights in units of Xylo's current, which adds to v with gain 1 and has decayed once before it first acts
    gain = of.c_x / of.a_i
    weight, theta = population.weight * gain[:, None], population.per_neuron("v_threshold")
    scale = min(WEIGHT / np.abs(weight).max(), STATE / max(theta.max(), np.abs(of.b).max()))
    layer: dict[str, Any] = {
        "weight": np.rint(weight * scale).astype(np.int64), "bias": np.rint(of.b * scale).astype(np.int64),
        "threshold": np.rint(theta * scale).astype(np.int64),
        "d_syn": _shift(name, "tau_syn", of.a_i), "d_mem": _shift(name, "tau_mem", of.a_v),
    }  # fmt: skip
    if layer["threshold"].min() < 1:
        largest = np.abs(weight).max() / theta.min()
        raise DeployError(f"'{name}': its weights reach {largest:.3g} thresholds, Xylo takes {2 * WEIGHT}")
    exact = {"weight": weight * scale, "bias": of.b * scale, "threshold": theta * scale}
    found = [rounding(name, field, layer[field], value) for field, value in exact.items()]
    for field, key, kept in (("tau_syn", "d_syn", of.a_i), ("tau_mem", "d_mem", of.a_v)):
        found.append(rounding(name, field, 1 - 0.5 ** layer[key], kept))
    return layer, found


def _shift(name: str, field: str, kept: np.ndarray) -> np.ndarray:
    """Shift d, int64, for which 1 - 2^-d is near the share ``kept`` of a state; DeployError if no d comes near."""
    if kept.min() < 0.25 or kept.max() >= 1:
        span = f"{kept.min():.3g} to {kept.max():.3g}"
        raise DeployError(f"'{name}': {field} keeps {span} of a state in a step; Xylo keeps 1 - 2^-d, d from 1 to 15")
    return np.clip(np.rint(-np.log2(1 - kept)), 1, 15).astype(np.int64)


def decay(x: np.ndarray, d: np.ndarray) -> np.ndarray:
    """Xylo's decay of integers x toward zero by x / 2^d, by one at least."""
    return x - np.where(x > 0, np.maximum(x >> d, 1), x >> d)


def step_through(layers: list[dict[str, Any]], spikes: np.ndarray) -> list[np.ndarray]:
    """Spikes of every population by the module's recurrence in numpy, int64 (T, neurons), without Xylo's lags."""
    found = []
    for layer in layers:
        i = v = np.zeros(len(layer["weight"]), np.int64)
        fired = np.zeros((len(spikes), len(v)), np.int64)
        for t, z in enumerate(spikes):
            i = np.clip(decay(np.clip(i + layer["weight"] @ z, -STATE - 1, STATE), layer["d_syn"]), -STATE - 1, STATE)
            v = np.clip(decay(v, layer["d_mem"]) + i + layer["bias"], -STATE - 1, STATE)
            fired[t] = np.clip(v // layer["threshold"], 0, layer["most"])
            v = v - fired[t] * layer["threshold"]
        found.append(fired)
        spikes = fired
    return found
