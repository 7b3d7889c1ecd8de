"""brian2-loihi, nengo-loihi and Loihi 2: the integers of our fixed-point run, stepped by other implementations.

The emulators deliver a spike one step after it was fired; NIR, and our run, in the same step. So the i-th population
lags by i steps there, and the lag is taken off again. A bias would act during the lag, so only the first population may
have one.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np

from processes.errors import DeployError
from processes.nir_nodes import maps
from targets.chains import Held, Request
from targets.chains.chain import SPIKING, chain_of
from targets.lava_lif import On, run_lif_network
from targets.nir_graph.program import Program, interpret
from targets.segments import Layer, emulate
from targets.tools import BRIAN2_LOIHI, NENGO_LOIHI, Tool

Stepped = Callable[[list[Layer], np.ndarray], list[np.ndarray | None]]
"""(layers, spikes bool (T, sources)) -> spikes of each layer (T, neurons), lags included; None where not returned."""


def hold(name: str, stepped: Stepped, request: Request) -> Held:
    """Convert a request's fixed-point program to populations of LIF neurons that ``stepped`` runs.

    Args:
        name: of the emulator, for messages.
        stepped: runs the layers in the emulator.
        request: the graph and its inputs.

    Raises:
        DeployError: the graph is no chain, or has weights or a bias that the emulator cannot express.
    """
    chain = chain_of(request.plan, request.dt, request.method, SPIKING, name)
    program = request.fixed()
    names = [population.name for population in chain.populations]
    layers = [_layer(name, program, population, first=i == 0) for i, population in enumerate(names)]

    def ours(spikes: np.ndarray) -> list[np.ndarray]:
        found = interpret(program, {chain.source: spikes.reshape(1, len(spikes), *chain.populations[0].reads)})
        return [found.spikes[p].reshape(len(spikes), -1).astype(np.int64) for p in names]

    def theirs(spikes: np.ndarray) -> list[np.ndarray | None]:
        if spikes.max(initial=0) > 1:
            raise DeployError(f"--target {name} takes one spike a step from each input, not {spikes.max()}")
        idle = np.zeros((len(layers) - 1, spikes.shape[1]), bool)
        fired = stepped(layers, np.concatenate([spikes.astype(bool), idle]))
        return [None if z is None else z[i : i + len(spikes)].astype(np.int64) for i, z in enumerate(fired)]

    shapes = tuple((population.name, population.shape) for population in chain.populations)
    return Held(shapes, chain.source, chain.sink, ours, theirs, tuple(program.errors))


def _layer(holder: str, program: Program, name: str, *, first: bool) -> Layer:
    """Population ``name`` of a program as a Layer; the nodes back to the population before become its weights."""
    stage = program.stages[name]
    node: Any = stage.node
    between: list[Any] = []
    source = stage.sources[0].source
    while program.stages[source].sources and not program.stages[source].spikes:
        between.insert(0, program.stages[source])
        source = between[0].sources[0].source
    weighted = [b.node for b in between if isinstance(b.node, maps.FixedWeighted)]
    if program.stages[source].unit != 1 or any(b.right > 0 for b in weighted):
        raise DeployError(f"'{name}': {holder} takes spikes and whole weights; choose a larger --scale")
    reads = program.stages[source].shape
    size = int(np.prod(reads))
    bias = _apply(between, np.zeros((1, *reads), np.int64))[0]
    weight = (_apply(between, np.eye(size, dtype=np.int64).reshape(size, *reads)) - bias).T
    neuron = node.neuron
    if bias.any() or np.any(neuron.bias):
        if not first or np.any(np.asarray(neuron.du) != 4095):
            raise DeployError(
                f"'{name}' has a bias, which {holder} would add while the first spikes are on their way, or to a voltage "
                "behind a current that decays; only the first population may have one, and no such current"
            )
        neuron = replace(neuron, bias=np.asarray(neuron.bias).reshape(-1) + bias)
    flat = {field: _flat(getattr(neuron, field), stage.shape) for field in ("du", "dv", "vth", "v_reset")}
    return Layer(name, weight, replace(neuron, **flat))


def _flat(value: Any, shape: tuple[int, ...]) -> Any:
    """A parameter as one int if all neurons share it, else as a flat array of one value for each neuron."""
    array = np.asarray(value)
    return int(array.flat[0]) if (array == array.flat[0]).all() else np.broadcast_to(array, shape).reshape(-1)


def _apply(between: list[Any], x: np.ndarray) -> np.ndarray:
    """Pass a batch x (N, *shape) through the stages ``between``, and flatten it to (N, values)."""
    for stage in between:
        x = stage.node.step(x)
    return x.reshape(len(x), -1)


def _emulated(tool: Tool, layers: list[Layer], spikes: np.ndarray) -> list[np.ndarray | None]:
    return [trace.spikes for trace in emulate(tool, layers, spikes)]


def by_lava(on: On, layers: list[Layer], spikes: np.ndarray) -> list[np.ndarray | None]:
    """Step layers with Lava's own Dense and LIF Processes, which return the last population's spikes only."""
    hidden: list[np.ndarray | None] = [None] * (len(layers) - 1)
    return [*hidden, run_lif_network(layers, spikes, on)]


brian2 = partial(hold, BRIAN2_LOIHI.name, partial(_emulated, BRIAN2_LOIHI))
nengo = partial(hold, NENGO_LOIHI.name, partial(_emulated, NENGO_LOIHI))
loihi2 = partial(hold, "loihi2", partial(by_lava, "chip"))
