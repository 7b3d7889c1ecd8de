"""SpiNNaker2: populations of ``lif`` neurons of py-spinnaker2, which runs them on a board.

    v <- alpha v + W z;   spike if v > threshold;   then v <- v_reset, or v <- v - threshold

with weights of 4 bits beside the sign; all else is floating point on the chip's ARM cores. The package needs the board,
there is no simulator: only the numpy model below is tested. ``deploy export FILE.nir --format spinnaker2`` writes the
program, the network, one sample, and the spikes that the board should return.
"""

from __future__ import annotations

from typing import Any

import nir
import numpy as np

from processes.errors import DeployError
from targets.chains import Held, Request, held_by, rounding
from targets.chains.chain import Population, chain_of, refuse_drive
from targets.tools import SPINNAKER2

WEIGHT = 2**4 - 1  # largest |weight|


def hold(request: Request) -> Held:
    """Convert a chain of IF and LIF populations to py-spinnaker2's parameters.

    Raises:
        DeployError: other neurons, parameters that vary within a population, a v_reset where resets subtract, or a bias,
            which would act on the board in the step before the first spikes arrive.
    """
    chain = chain_of(request.plan, request.dt, request.method, (nir.IF, nir.LIF), "SpiNNaker2")
    integers = [parameters(population, request) for population in chain.populations]
    return held_by(SPINNAKER2, "spinnaker2_worker.py", chain, integers, step_through)


def parameters(population: Population, request: Request) -> tuple[dict[str, Any], list[Any]]:
    """(py-spinnaker2's parameters of a population, in units of its integer weights; roundings of the weights)."""
    name, of = population.name, population.recurrence(request.dt, request.method)
    weight, offset = population.weight * of.c_x[:, None], population.bias * of.c_x + of.b
    refuse_drive(name, offset, "SpiNNaker2")
    scale = WEIGHT / np.abs(weight).max()
    layer: dict[str, Any] = {
        "weight": np.rint(weight * scale).astype(np.int64),
        "subtract": request.reset == "subtract",
    }
    exact = {"alpha": of.a_v}
    exact |= {field: population.per_neuron(f"v_{field}") * scale for field in ("threshold", "reset")}
    for field, values in exact.items():
        if len(np.unique(values)) > 1:
            raise DeployError(f"'{name}': one {field} a population is written for SpiNNaker2, this has several")
        layer[field] = float(values[0])
    if layer["subtract"] and layer["reset"]:
        raise DeployError(f"'{name}': SpiNNaker2 subtracts the threshold whole; v_reset has to be 0")
    return layer, [rounding(name, "weight", layer["weight"], weight * scale)]


def step_through(layers: list[dict[str, Any]], spikes: np.ndarray) -> list[np.ndarray]:
    """Spikes of every population by the module's recurrence in numpy, int64 (T, neurons), without the board's lags."""
    found = []
    for layer in layers:
        v = np.zeros(len(layer["weight"]), np.float32)
        fired = np.zeros((len(spikes), len(v)), np.int64)
        for t, z in enumerate(spikes):
            v = (layer["alpha"] * v + layer["weight"] @ z).astype(np.float32)
            fired[t] = v > layer["threshold"]
            v = np.where(fired[t], v - layer["threshold"] if layer["subtract"] else layer["reset"], v)
        found.append(fired)
        spikes = fired
    return found
