"""Phase-coded ReLU networks in plain NIR: LIF, Affine and Conv2d, spike time for spike time.

Time runs backwards through the code: level B^-k is sent S - 1 - k steps into a window, so that late spikes weigh more
and the leak does the decoding. With beta = 1/B and a neuron u <- beta u + I, spike if u > Theta, then u = 0:

* window of integration: I = -(sum_j w_ij z_j), and -b_i at its last step; it ends with u = -a, the value to be coded;
* window of firing: I = V at first, then (1 - beta) V, so that after step j  u = V - a beta^(j+1).  With
  V - Theta = m_(S-1), the last midpoint, it fires at the first j with a < m_(S-2-j): at level k = S - 1 - j;
* X more at the last step makes saturated neurons fire at level 0. None fires twice.

A value below every midpoint fires first of all, at level S - 1. Where a spike sets u to zero, the windows are one step
longer than the code, S = T + 1, that level means silence, and a pulse that makes every neuron fire at the first step of
its integration erases what arrived with it: the codes are the closed form's. Where spikes subtract, S = T, and silent
neurons send the lowest level. An identity's neuron is two, one for a and one for -a.

The pulses are further channels of the input, handed on by one relay neuron each in every layer that they pass; they
depend on nothing but the step. V is a power of two, so that single precision holds (1 - beta) V exactly. Dense layers
behind convolutions are written as convolutions by kernels as large as the image: simulators disagree on what Flatten's
axes count.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import nir
import numpy as np
import torch

from processes.errors import DeployError
from processes.network import ConvSynapse, DenseSynapse, Network, PhaseNeuron, Readout, Route


@dataclass(frozen=True)
class Dialect:
    """How a simulator reads NIR's LIF.

    Attributes:
        dt: the time step that its importer assumes.
        tau: time constant that makes it decay by beta in a step.
        gain: factor of the weights in front of a LIF.
        r: resistance.
        zero: whether its spikes set the potential to zero; else they subtract the threshold.
    """

    dt: float
    tau: Callable[[float], float]
    gain: Callable[[float], float]
    r: Callable[[float], float]
    zero: bool = True


DIALECTS: dict[str, Dialect] = {
    # Euler steps of 0.1 ms with r = tau / dt, so that inputs are not scaled
    "snntorch": Dialect(1e-4, lambda b: 1e-4 / (1 - b), lambda b: 1.0, lambda b: 1 / (1 - b)),
    # Euler steps of 1 ms; r is ignored and taken as 1
    "norse": Dialect(1e-3, lambda b: 1e-3 / (1 - b), lambda b: 1 / (1 - b), lambda b: 1.0),
    # v <- v + (x r - v) dt / tau
    "spikingjelly": Dialect(1e-4, lambda b: 1e-4 / (1 - b), lambda b: 1.0, lambda b: 1 / (1 - b)),
    # tau in steps, exponential decay, inputs not scaled, resets subtract
    "sinabs": Dialect(1.0, lambda b: -1 / math.log(b), lambda b: 1.0, lambda b: 1 / (1 - b), zero=False),
}


@dataclass(frozen=True)
class Stage:
    """a = W x + b of decoded values x, coded by neurons with thresholds in units of 1, or (``fires`` False) put out.

    Attributes:
        weight: (out, in), or (out, in, kh, kw) of a convolution.
        bias: (out,).
        reads: shape of one sample of x, (in,) or (in, h, w).
        shape: of one sample of a.
        fires: whether neurons code a.
        bipolar: whether they also code negative values.
        geometry: stride, padding and dilation of a convolution.
    """

    weight: np.ndarray
    bias: np.ndarray
    reads: tuple[int, ...]
    shape: tuple[int, ...]
    fires: bool
    bipolar: bool = False
    geometry: tuple[tuple[int, int], tuple[int, int], tuple[int, int]] = ((1, 1), (0, 0), (1, 1))

    @property
    def convolves(self) -> bool:
        """Whether the weights are kernels."""
        return self.weight.ndim == 4

    def reach(self) -> float:
        """Bound of |a| for values in [-1, 1], and of every partial sum of it."""
        total = np.abs(self.weight).reshape(len(self.weight), -1).sum(1)
        return float((total + np.abs(self.bias)).max())


@dataclass(frozen=True)
class Plain:
    """A network in plain NIR, and what stands between it and codes.

    Attributes:
        graph: the NIR graph; its input is (data channels + lines, *pixels).
        base, steps: of the code, B and T.
        window: S, steps of a window.
        stages: what it computes. names: of the LIF node of each stage that fires.
        lines: (total steps, lines) zeros and ones.
    """

    graph: nir.NIRGraph
    base: float
    steps: int
    window: int
    stages: tuple[Stage, ...]
    names: tuple[str, ...]
    lines: np.ndarray

    def encode(self, codes: np.ndarray) -> np.ndarray:
        """Input (N, total steps, channels, *pixels) float64 of codes (planes, N, *reads)."""
        reads = self.stages[0].reads
        samples = codes.shape[1]
        data = np.zeros((samples, len(self.lines), *reads))
        for plane in codes.reshape(len(codes), samples, -1):
            sample, neuron = np.nonzero(plane)
            code = plane[sample, neuron].astype(np.int64)
            flat = data.reshape(samples, len(self.lines), -1)
            flat[sample, self.window - np.abs(code), neuron] += np.sign(code)
        lines = self.lines.reshape(1, *self.lines.shape, *[1] * (len(reads) - 1))
        lines = np.broadcast_to(lines, (samples, *self.lines.shape, *reads[1:]))
        return np.concatenate([data, lines], axis=2)

    def codes(self, spikes: np.ndarray, layer: int) -> np.ndarray:
        """Codes (1, N, *shape) of the spikes (N, total steps, neurons, *pixels) of a stage that fires, from 0."""
        stage, size = self.stages[layer], self.window
        window = spikes[:, (layer + 1) * size : (layer + 2) * size] > 0.5
        first = window.argmax(1)
        code = np.where(window.any(1), size - first, 0)
        code = np.where(code > self.steps, 0, code).astype(np.int16)  # the level of silence
        channels = stage.shape[0]
        positive = code[:, :channels].reshape(-1, *stage.shape)
        if not stage.bipolar:
            return positive[None]
        negative = code[:, channels : 2 * channels].reshape(-1, *stage.shape)
        if self.window == self.steps:  # both at the lowest level: neither
            lowest = (positive == self.steps) & (negative == self.steps)
            negative, positive = (np.where(lowest | (c == self.steps), 0, c) for c in (negative, positive))
        return (positive - negative)[None]

    def decode(self, outputs: np.ndarray) -> np.ndarray:
        """a of the last stage (N, *shape), if it does not fire, of what its node put out (N, total steps, *shape)."""
        start = (len(self.stages) - 1) * self.window
        skipped = 1 if self.window > self.steps and len(self.stages) > 1 else 0
        levels = float(self.base) ** -np.arange(self.window - 1, -1, -1)
        return np.tensordot(outputs[:, start + skipped : start + self.window], levels[skipped:], ([1], [0]))


PULSES = ("clear", "bias", "first", "rest", "last")


def plain_network(stages: list[Stage], base: float, steps: int, dialect: Dialect) -> Plain:
    """Stages one after the other, the last of which may only put out.

    Raises:
        DeployError: a convolution's geometry leaves no kernel position for the pulses.
    """
    size = steps + 1 if dialect.zero else steps
    beta = float(np.float32(1 / base))
    needed = [pulses for i, stage in enumerate(stages) for pulses in [(i, p) for p in PULSES if stage.fires or p == "bias"]]
    lines = _lines(needed, size, len(stages), stages[-1].fires, dialect.zero)
    nodes: dict[str, nir.NIRNode] = {}
    names: list[str] = []
    first = stages[0].reads
    nodes["input"] = nir.Input({"input": np.array([first[0] + len(needed), *first[1:]])})
    bipolar, rows = False, 0
    for i, stage in enumerate(stages):
        held = [n for n in needed if n[0] >= i]
        scaled, threshold, pulses = _pulse_weights(stage, beta, size, i > 0)
        passed = [n for n in held if n[0] > i] if stage.fires else []
        weight = _assemble(scaled, pulses, held, passed, i, bipolar, threshold)
        gain = dialect.gain(beta) if stage.fires else 1.0
        weight = np.asarray(weight * gain, np.float32)
        nodes[f"{i:02d}_0_synapse"] = _weighted(stage, weight)
        if stage.fires:
            names.append(f"{i:02d}_1_neuron")
            shape = (weight.shape[0], *stage.shape[1:])
            tau, r, rest = (np.full(shape, value) for value in (dialect.tau(beta), dialect.r(beta), 0.0))
            nodes[names[-1]] = nir.LIF(tau=tau, r=r, v_leak=rest, v_threshold=np.full(shape, threshold), v_reset=rest)
        bipolar, rows = stage.bipolar, len(weight)
    nodes["output"] = nir.Output({"output": np.array([rows, *stages[-1].shape[1:]])})
    order = list(nodes)
    metadata: dict[str, Any] = {
        "dt": dialect.dt, "reset": "v_reset" if dialect.zero else "subtract", "base": base, "steps": steps, "window": size,
        "method": "euler" if dialect.zero else "exact", "lines": len(needed),
    }  # fmt: skip
    graph = nir.NIRGraph(nodes, list(itertools.pairwise(order)), metadata=metadata, type_check=False)
    return Plain(graph, base, steps, size, tuple(stages), tuple(names), lines)


def _lines(needed: list[tuple[int, str]], size: int, stages: int, fires: bool, zero: bool) -> np.ndarray:
    """When each pulse comes, (total steps, lines)."""
    total = size * (stages + 1 if fires else stages)
    lines = np.zeros((total, len(needed)))
    for column, (i, pulse) in enumerate(needed):
        start = i * size  # of the stage's integration; it fires a window later
        when = {"clear": [start] if zero else [], "bias": [start + size - 1], "first": [start + size],
                "rest": list(range(start + size + 1, start + 2 * size)), "last": [start + 2 * size - 1]}  # fmt: skip
        lines[when[pulse], column] = 1
    return lines


def _pulse_weights(stage: Stage, beta: float, size: int, clears: bool) -> tuple[Stage, float, dict[str, np.ndarray]]:
    """The stage in the neuron's units, its threshold, and what each pulse adds per row."""
    rows = np.ones(len(stage.bias))
    if not stage.fires:
        return stage, math.inf, {"bias": stage.bias}
    reach = stage.reach() * 1.001
    top = 2.0 ** math.ceil(math.log2(max(2.0, reach + 1.01)))
    last_midpoint = beta ** (size - 1) * (1 + beta) / 2
    threshold = float(np.float32(top - last_midpoint))
    # single precision moves the threshold; what is compared with it moves along
    ratio = (top - threshold) / last_midpoint
    scaled = replace(stage, weight=stage.weight * ratio, bias=stage.bias * ratio)
    pulses = {
        "clear": 4 * top * rows, "bias": -scaled.bias, "first": top * rows, "rest": (1 - beta) * top * rows,
        "last": reach * ratio * beta**size * rows,
    }  # fmt: skip
    return scaled, threshold, pulses


def _assemble(
    stage: Stage, pulses: dict[str, np.ndarray], held: list[tuple[int, str]], passed: list[tuple[int, str]], i: int,
    source_bipolar: bool, threshold: float,
) -> np.ndarray:  # fmt: skip
    """Weights (neurons + relays, data + lines [, kernel])."""
    kernel = stage.weight
    data = np.concatenate([kernel, -kernel], axis=1) if source_bipolar else kernel
    data = -data if stage.fires else data
    tap = _tap(stage)
    columns = data.shape[1] + len(held)
    signs = (1, -1) if stage.bipolar and stage.fires else (1,)
    out = len(data)
    weight = np.zeros((out * len(signs) + len(passed), columns, *kernel.shape[2:]))
    for n, sign in enumerate(signs):
        rows = slice(n * out, (n + 1) * out)
        weight[rows, : data.shape[1]] = sign * data
        for column, (of, pulse) in enumerate(held):
            if of == i:
                place = (rows, data.shape[1] + column, *tap)
                weight[place] = pulses[pulse] * (sign if pulse == "bias" else 1)
    for row, line in enumerate(passed):
        # just above the threshold, so that hardly anything is left where spikes subtract it
        weight[(len(signs) * out + row, data.shape[1] + held.index(line), *tap)] = threshold * (1 + 2**-10)
    return weight


def _tap(stage: Stage) -> tuple[int, ...]:
    """The kernel position that is inside the image for every output position."""
    if not stage.convolves:
        return ()
    _, padding, dilation = stage.geometry
    taps = tuple(-(-p // d) for p, d in zip(padding, dilation, strict=True))
    for t, p, d, k, out, s, n in zip(taps, padding, dilation, stage.weight.shape[2:], stage.shape[1:], stage.geometry[0],
                                     stage.reads[1:], strict=True):  # fmt: skip
        if t >= k or (out - 1) * s + t * d - p >= n:
            raise DeployError(f"a convolution with padding {padding} and dilation {dilation} leaves no place for the "
                              "pulses of the plain form; export without --plain")  # fmt: skip
    return taps


def _weighted(stage: Stage, weight: np.ndarray) -> nir.NIRNode:
    bias = np.zeros(len(weight), np.float32)
    if not stage.convolves:
        return nir.Affine(weight, bias)
    stride, padding, dilation = stage.geometry
    return nir.Conv2d((stage.reads[1], stage.reads[2]), weight, stride, padding, dilation, 1, bias)


def stages_of(network: Network) -> list[Stage]:
    """The stages of a network that is one chain of synapses and neurons.

    Raises:
        DeployError: with the first operation that has no plain form.
    """
    stages: list[Stage] = []
    before = network.INPUT
    for name, node in network:
        op = node.op
        if node.inputs != (before,):
            raise DeployError(f"'{name}' reads {', '.join(node.inputs)}, not '{before}' alone: not a chain, so it has no "
                              "plain form as a whole; export without --plain, or with --segments")  # fmt: skip
        if isinstance(op, Route):
            if stages and not _flattens(op, network.shape(before)):
                raise DeployError(f"'{name}' reorders values, which no plain node does; export without --plain")
        elif isinstance(op, PhaseNeuron) and stages:
            if (reason := why_not_neuron(op)) is not None:
                raise DeployError(f"'{name}': {reason}; export without --plain")
            stages[-1] = with_neuron(stages[-1], op)
        elif isinstance(op, DenseSynapse | ConvSynapse):
            if (reason := why_not_synapse(op)) is not None:
                raise DeployError(f"'{name}': {reason}; export without --plain")
            stage = stage_of(op, network.shape(before))
            stages.append(_over_image(stage, stages[-1].shape) if stages and len(stages[-1].shape) > 1 else stage)
        elif not isinstance(op, PhaseNeuron | Readout):
            raise DeployError(f"'{name}' ({op.name}) has no plain form; export without --plain, or with --segments")
        before = name
    if not all(stage.fires for stage in stages[:-1]):
        raise DeployError("two synapses follow each other without neurons; export without --plain")
    return stages


def _over_image(stage: Stage, image: tuple[int, ...]) -> Stage:
    """A stage behind pixels; of a dense one, its weights as kernels as large as the image."""
    if stage.convolves:
        return stage
    weight = stage.weight.reshape(len(stage.weight), *image)
    return replace(stage, weight=weight, reads=image, shape=(len(weight), 1, 1))


def _flattens(op: Route, shape: tuple[int, ...]) -> bool:
    """Whether a route only gives values another shape."""
    numbers = torch.arange(math.prod(shape)).reshape(1, 1, *shape)
    return bool((op.closed_form(numbers).reshape(-1) == numbers.reshape(-1)).all())


def why_not_synapse(op: DenseSynapse | ConvSynapse) -> str | None:
    """What keeps a synapse from being plain."""
    if isinstance(op, ConvSynapse) and op.groups > 1:
        return "not every simulator runs grouped convolutions"
    return None


def why_not_neuron(op: PhaseNeuron) -> str | None:
    """What keeps the neurons behind a stage from being plain."""
    if op.schedule.function not in ("relu", "identity"):
        return f"{op.schedule.function} is no leaky integrate-and-fire neuron"
    if op.spikes > 1:
        return f"{op.spikes} spikes per value are no single threshold crossing"
    return None


def stage_of(op: DenseSynapse | ConvSynapse, reads: tuple[int, ...]) -> Stage:
    """A synapse as a stage that only puts out, in units of its own potential, without the batch's leading 1."""
    weight = op.weight.astype(np.float64) * float(op.trace[0])
    geometry = (op.stride, op.padding, op.dilation) if isinstance(op, ConvSynapse) else ((1, 1), (0, 0), (1, 1))
    return Stage(weight, op.bias.astype(np.float64), reads[1:], op.shape[1:], False, False, geometry)  # type: ignore[arg-type]


def with_neuron(stage: Stage, op: PhaseNeuron) -> Stage:
    """The stage with neurons that code it, its rows in units of their scales."""
    scale = op.schedule.tables[3][:, 0].astype(np.float64)
    rows = np.broadcast_to(scale, len(stage.bias)) if scale.size == 1 else scale
    column = rows.reshape(-1, *[1] * (stage.weight.ndim - 1))
    bipolar = op.schedule.function == "identity"
    return replace(stage, weight=stage.weight / column, bias=stage.bias / rows, fires=True, bipolar=bipolar)
