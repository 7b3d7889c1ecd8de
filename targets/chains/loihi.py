"""brian2-loihi, nengo-loihi and the chip: Loihi's own integers, those of our fixed-point run, in somebody else's hands.

The emulators hand a spike on in the step after the one in which it was fired; NIR, and our run, in the same step. So the
i-th population lags by i steps there, which is taken off again. A bias would act during that lag: only the first population
may have one.
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


def hold(name: str, stepped: Stepped, request: Request) -> Held:
    """The fixed-point program as populations of LIF neurons.

    Raises:
        DeployError: it is no chain, or has weights or a bias that the emulator has no form for.
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
    """A population with the integer weights of all that leads to it."""
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
    """One value, or one for each neuron in a row."""
    array = np.asarray(value)
    return int(array.flat[0]) if (array == array.flat[0]).all() else np.broadcast_to(array, shape).reshape(-1)


def _apply(between: list[Any], x: np.ndarray) -> np.ndarray:
    for stage in between:
        x = stage.node.step(x)
    return x.reshape(len(x), -1)


def _emulated(tool: Tool, layers: list[Layer], spikes: np.ndarray) -> list[np.ndarray | None]:
    return [trace.spikes for trace in emulate(tool, layers, spikes)]


def by_lava(on: On, layers: list[Layer], spikes: np.ndarray) -> list[np.ndarray | None]:
    """Lava's own Dense and LIF Processes; only the last population's spikes come back."""
    hidden: list[np.ndarray | None] = [None] * (len(layers) - 1)
    return [*hidden, run_lif_network(layers, spikes, on)]


brian2 = partial(hold, BRIAN2_LOIHI.name, partial(_emulated, BRIAN2_LOIHI))
nengo = partial(hold, NENGO_LOIHI.name, partial(_emulated, NENGO_LOIHI))
loihi2 = partial(hold, "loihi2", partial(by_lava, "chip"))
