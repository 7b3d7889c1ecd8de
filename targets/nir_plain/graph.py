"""Builds stages as one NIR graph in a simulator's dialect, and converts between its spikes and codes."""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import nir
import numpy as np

from processes.errors import DeployError
from targets.nir_plain.dialects import Dialect
from targets.nir_plain.phase import Phase
from targets.nir_plain.pulses import Neurons, Pulse
from targets.nir_plain.rate import Rate
from targets.nir_plain.stages import Stage

Line = tuple[int, str]
"""A pulse's line of the input: the number of its stage, and its name."""


@dataclass(frozen=True)
class Plain:
    """A network in plain NIR, with the conversions between codes and the graph's inputs and outputs.

    Attributes:
        graph: the NIR graph; its input is (data channels + lines, *pixels).
        form: its code.
        stages: what it computes.
        names: of the LIF node of each stage that fires.
        lines: the pulses' input, (total steps, lines) zeros and ones.
    """

    graph: nir.NIRGraph
    form: Phase | Rate
    stages: tuple[Stage, ...]
    names: tuple[str, ...]
    lines: np.ndarray

    def encode(self, codes: np.ndarray) -> np.ndarray:
        """Encode codes (planes, N, *reads) as input with pulses, int8 (N, total steps, channels, *pixels)."""
        reads = self.stages[0].reads
        samples = codes.shape[1]
        data = np.zeros((samples, len(self.lines), *reads), np.int8)
        flat = data.reshape(samples, len(self.lines), -1)
        for plane in codes.reshape(len(codes), samples, -1):
            sample, neuron = np.nonzero(plane)
            code = plane[sample, neuron].astype(np.int64)
            flat[sample, self.form.when(code), neuron] += np.sign(code).astype(np.int8)
        lines = self.lines.astype(np.int8).reshape(1, *self.lines.shape, *[1] * (len(reads) - 1))
        lines = np.broadcast_to(lines, (samples, *self.lines.shape, *reads[1:]))
        return np.concatenate([data, lines], axis=2)

    def codes(self, spikes: np.ndarray, layer: int) -> np.ndarray:
        """Codes (planes, N, *shape), int16, of spikes (N, total steps, neurons, *pixels) of stage number ``layer``."""
        stage, size = self.stages[layer], self.form.window
        window = np.rint(spikes[:, (layer + 1) * size : (layer + 2) * size])
        code = self.form.codes(window).astype(np.int16)
        channels = stage.shape[0]
        positive = code[:, :, :channels].reshape(*code.shape[:2], *stage.shape)
        if not stage.bipolar:
            return positive
        negative = code[:, :, channels : 2 * channels].reshape(positive.shape)
        return self.form.signed(positive, negative)

    def decode(self, outputs: np.ndarray) -> np.ndarray:
        """Values a (N, *shape) of a last stage that does not fire, from its node's outputs (N, total steps, *shape)."""
        size, start = self.form.window, (len(self.stages) - 1) * self.form.window
        levels = self.form.levels(coded=len(self.stages) > 1)
        return np.tensordot(outputs[:, start : start + size], levels, ([1], [0]))


def plain_network(stages: list[Stage], form: Phase | Rate, dialect: Dialect) -> Plain:
    """Build the NIR graph of a chain of stages, the last of which may put out potentials instead of spikes.

    Raises:
        DeployError: a convolution's geometry leaves no kernel position for the pulses.
    """
    if isinstance(form, Phase):
        form = replace(form, zero=dialect.zero)
    coded = [
        form.neurons(stage, i > 0) if stage.fires else _output(stage, form.window) for i, stage in enumerate(stages)
    ]
    needed = {(i, name): pulse for i, neurons in enumerate(coded) for name, pulse in neurons.pulses.items()}
    nodes: dict[str, nir.NIRNode] = {}
    names: list[str] = []
    reads = stages[0].reads
    nodes["input"] = nir.Input({"input": np.array([reads[0] + len(needed), *reads[1:]])})
    bipolar, rows = False, 0
    for i, (stage, neurons) in enumerate(zip(stages, coded, strict=True)):
        held = [line for line in needed if line[0] >= i]
        passed = [line for line in held if line[0] > i]
        weight = _assemble(stage, neurons, i, held, passed, bipolar)
        weight = np.asarray(weight * (dialect.gain(form.beta) if stage.fires else 1.0), np.float32)
        nodes[f"{i:02d}_0_synapse"] = _weighted(stage, weight)
        if stage.fires:
            names.append(f"{i:02d}_1_neuron")
            shape = (
                (len(weight), *[1] * (len(stage.shape) - 1)) if dialect.per_channel else (len(weight), *stage.shape[1:])
            )
            tau, r, rest = (np.full(shape, value) for value in (dialect.tau(form.beta), dialect.r(form.beta), 0.0))
            threshold = np.full(shape, neurons.threshold)
            nodes[names[-1]] = nir.LIF(tau=tau, r=r, v_leak=rest, v_threshold=threshold, v_reset=rest)
        bipolar, rows = stage.bipolar, len(weight)
    nodes["output"] = nir.Output({"output": np.array([rows, *stages[-1].shape[1:]])})
    lines = _lines(needed, form.window, len(stages) + stages[-1].fires)
    reset = "subtract" if form.subtracts or not dialect.zero else "v_reset"
    metadata: dict[str, Any] = {
        "dt": dialect.dt, "reset": reset, "method": dialect.method, "base": form.base, "steps": form.steps,
        "window": form.window, "pulses": lines.astype(np.int8),
    }  # fmt: skip
    graph = nir.NIRGraph(nodes, list(itertools.pairwise(nodes)), metadata=metadata, type_check=False)
    return Plain(graph, form, tuple(stages), tuple(names), lines)


def _output(stage: Stage, size: int) -> Neurons:
    """Neurons of a stage that puts out potentials; its bias is added at the window's last step, whose level is 1."""
    return Neurons(math.inf, stage.weight, {"bias": Pulse((size - 1,), stage.bias)})


def _lines(needed: Mapping[Line, Pulse], size: int, windows: int) -> np.ndarray:
    """The pulses' input, (total steps, lines): 1 at the steps of each pulse, counted from its stage's integration."""
    lines = np.zeros((size * windows, len(needed)))
    for column, ((i, _), pulse) in enumerate(needed.items()):
        steps = np.array(pulse.steps) + i * size
        lines[steps[steps < len(lines)], column] = 1
    return lines


def _assemble(
    stage: Stage, neurons: Neurons, i: int, held: list[Line], passed: list[Line], source_bipolar: bool
) -> np.ndarray:
    """Weights of stage ``i``, (neurons + relays, data channels + lines [, *kernel]).

    ``held`` are the lines that reach the stage, ``passed`` those of later stages, which relays pass on.
    """
    kernel = neurons.weight
    data = np.concatenate([kernel, -kernel], axis=1) if source_bipolar else kernel
    tap = _tap(stage)
    signs = (1, -1) if stage.bipolar and stage.fires else (1,)
    out, columns = len(data), data.shape[1]
    weight = np.zeros((out * len(signs) + len(passed), columns + len(held), *kernel.shape[2:]))
    for n, sign in enumerate(signs):
        rows = slice(n * out, (n + 1) * out)
        weight[rows, :columns] = sign * data
        for column, (of, name) in enumerate(held, columns):
            if of == i:
                pulse = neurons.pulses[name]
                weight[(rows, column, *tap)] = pulse.amount * (sign if pulse.signed else 1)
    for row, line in enumerate(passed, len(signs) * out):
        # just above the threshold, so that almost nothing remains of the pulse where spikes subtract the threshold
        weight[(row, columns + held.index(line), *tap)] = neurons.threshold * (1 + 2**-10)
    return weight


def _tap(stage: Stage) -> tuple[int, ...]:
    """A kernel position that lies inside the image at every output position; DeployError if there is none."""
    if not stage.convolves:
        return ()
    strides, padding, dilation = stage.geometry
    taps = tuple(-(-p // d) for p, d in zip(padding, dilation, strict=True))
    sizes = zip(taps, padding, dilation, stage.weight.shape[2:], stage.shape[1:], strides, stage.reads[1:], strict=True)
    for tap, pad, dil, kernel, out, stride, pixels in sizes:
        if tap >= kernel or (out - 1) * stride + tap * dil - pad >= pixels:
            raise DeployError(f"a convolution with padding {padding} and dilation {dilation} leaves no place for the "
                              "pulses of the plain form; export without --plain")  # fmt: skip
    return taps


def _weighted(stage: Stage, weight: np.ndarray) -> nir.NIRNode:
    """An Affine or Conv2d of a stage's geometry, with a bias of zeros."""
    bias = np.zeros(len(weight), np.float32)
    if not stage.convolves:
        return nir.Affine(weight, bias)
    stride, padding, dilation = stage.geometry
    return nir.Conv2d((stage.reads[1], stage.reads[2]), weight, stride, padding, dilation, 1, bias)
