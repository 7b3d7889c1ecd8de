"""Networks that together have every kernel of the C program, and samples for them."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from functools import cache

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

from converters.discretise import discretise
from converters.pipeline import Conversion, Variant, convert_module
from processes.chips import LOIHI2
from processes.header import Header
from processes.network import (
    FixedPointNetwork,
    Network,
    Node,
    PhaseNeuron,
    Readout,
    Residual,
    Route,
    ScaleSynapse,
    SiExp,
    SiNeuron,
    SiNorm,
    Woss,
)
from processes.operation import Operation
from processes.phase_code import PhaseCode
from processes.phase_neuron.schedule import FixedSchedule
from processes.thresholds import ALWAYS, scaled_entry
from tests.converters import modules
from tests.converters.modules import end_early, images, module, spiking
from tests.targets.test_placement import convolutions, frames, massive_feature, maxima, mixtures, uneven_attention

Case = tuple[Network, np.ndarray]
SAMPLES = 400  # of ties
CURVED = PhaseCode(1.6, 8)


def tokens(n: int, seed: int = 0) -> np.ndarray:
    """Samples (n, 3, 4)."""
    return np.random.default_rng(seed).normal(size=(n, 3, 4)).astype(np.float32)


def attention(x: torch.Tensor, qkv: nn.Linear) -> torch.Tensor:
    """Of two heads, (N, 3, 4)."""
    q, k, v = qkv(x).unflatten(-1, (3, 2, 2)).permute(2, 0, 3, 1, 4).unbind(0)
    return ((q @ k.transpose(-1, -2)).softmax(-1) @ v).transpose(1, 2).flatten(2)


def block() -> nn.Module:
    """A transformer's block on tokens, and a head on their mean."""

    def forward(self, x):
        x = x + attention(self.norm(x), self.qkv)
        return self.head((x + self.out(torch.nn.functional.gelu(self.into(x)))).mean(1))

    sizes = {"qkv": (4, 12), "into": (4, 6), "out": (6, 4), "head": (4, 3)}
    return module(forward, norm=nn.LayerNorm(4), **{name: nn.Linear(*size) for name, size in sizes.items()})


def with_keys(network: Network, keys: int) -> Network:
    """The same, where the first so many values of the input say which keys of attention take part, as a text's mask does."""
    steps = [["reshape", [1, -1]], ["slice", [1, 0, keys, 1]], ["reshape", [1, 1, 1, keys]]]
    route = Route(shape=(1, 1, 1, keys), steps=json.dumps(steps), source_shape=network.input_shape, carries="graded")
    masked = network.copy()
    masked.nodes = {"keys": Node(route, (Network.INPUT,))} | {
        name: Node(node.op, (*node.inputs, "keys")) if node.op.name in ("woss", "si_exp") else node
        for name, node in network
    }
    return masked


@cache
def several_spikes() -> Case:
    """Three of every neuron, those of softmax and GELU too; a token is masked."""
    network = spiking(block(), torch.from_numpy(tokens(6)), PhaseCode(1.6, 8), spikes=3)
    samples = tokens(3, seed=1)
    samples[:, 0, 1] = 0
    return with_keys(discretise(network, tokens(6), LOIHI2), 3), samples


@cache
def by_a_race() -> Case:
    """Winners are found by falling thresholds, second spikes end at steps of their own; samples of zero and far beyond
    calibration."""
    found = convert_module(block(), [tokens(6)], 8, 1.5, spikes=2, variant=Variant(winner="race"))
    return end_early(whole(found)), np.concatenate([tokens(2, seed=1), 50 * tokens(1), 0 * tokens(1)])


@cache
def by_digits() -> Case:
    """SIT's operations."""
    variant = Variant(method="sit", activation="fitted")
    found = convert_module(block(), [tokens(6)], 8, spikes=2, input_spikes=2, variant=variant)
    return whole(found), tokens(3, seed=1)


def by_trains() -> Case:
    """The same with the shares of softmax in regular trains; a token is masked."""
    network, samples = by_digits()
    name, op = next((name, node.op) for name, node in network if isinstance(node.op, SiNorm))
    masked, samples = with_keys(network, 3), samples.copy()
    masked.put(name, replace(op, form="train"))
    samples[:, 0, 1] = 0
    return masked, samples


@cache
def convolved() -> Case:
    """Grouped, strided and padded convolutions, pooling."""
    return discretise(convolutions(), images(4), LOIHI2), images(3, seed=1)


def thresholds(op: Operation, size: int, rng: np.random.Generator) -> np.ndarray:
    """So many potentials, or distances to a row's largest, at which a neuron decides, or one beside them."""
    if isinstance(op, PhaseNeuron):
        schedule = op.schedule
        assert isinstance(schedule, FixedSchedule)
        after = np.zeros(0, np.int64) if schedule.after is None else schedule.after.astype(np.int64)
        rests = np.add.outer(schedule.tables[0], schedule.tables[3]).astype(
            np.int64
        )  # after one spike, if that subtracts
        found = [
            *schedule.tables,
            rests,
            -rests,
            scaled_entry(after, int(schedule.mantissa.flat[0]), int(schedule.shift.flat[0])),
        ]
    elif isinstance(op, Woss):
        assert op.after is not None
        found = [-op.ramp, -op.after]
    elif isinstance(op, SiExp):
        assert op.clock is not None and op.half is not None
        found = [op.half[:, None] - op.clock, -2 * op.half, op.threshold]
    elif isinstance(op, SiNeuron):
        found = [op.threshold, op.threshold + op.reset[:, :1]]
    else:
        raise TypeError(op.name)
    finite = [part[np.abs(part) < 2**23 - 1] for part in (np.asarray(f, np.int64) for f in found)]
    parts = [part for part in finite if part.size]
    drawn = np.concatenate([rng.choice(part, size // len(parts) + 1) for part in parts])
    return rng.permutation(drawn)[:size] + rng.integers(-1, 2, size)


@cache
def convolved_frames() -> Case:
    """Convolutions of several images in one sample, grouped and not."""
    return frames(), np.concatenate([images(3, seed=1), 50 * images(1)])


@cache
def curved() -> Case:
    """Functions with tables of their own: some rest above or below zero, some jump, one has no value at zero; of two spikes."""

    def forward(self, x):
        y = self.first(x)
        above = torch.log(torch.relu(y) + 0.3)
        parts = [torch.where(y > 0, y, 0.2 * y), (y >= 0.2).float(), torch.sign(y), F.logsigmoid(y), y.clamp(0.1, 0.5)]
        return self.last(torch.cat([*parts, y.abs(), above, F.hardshrink(y, 0.3), y.exp()], -1))

    network = spiking(
        module(forward, first=nn.Linear(4, 4), last=nn.Linear(36, 3)), torch.from_numpy(tokens(6)), CURVED, spikes=2
    )
    return discretise(network, tokens(6), LOIHI2), np.concatenate([tokens(3, seed=1), 50 * tokens(1), 0 * tokens(1)])


def gated() -> Case:
    """Products of gates, an operand of which broadcasts or comes later, or is the other one; of two spikes a value."""
    network = spiking(modules.gated(), torch.from_numpy(images(4)), PhaseCode(1.6, 6), spikes=2)
    return discretise(network, images(4), LOIHI2), np.concatenate([images(3, seed=1), 50 * images(1), -images(1)])


@cache
def pooled() -> Case:
    """Fields that overlap, reach into padding and are dilated, of two spikes a value."""
    return maxima(), np.concatenate([images(3, seed=1), -images(1)])


@cache
def mixed() -> Case:
    """Groups of which two of five win, by scores of either sign."""
    return mixtures(), np.concatenate([tokens(4, seed=1), 0 * tokens(1)])


@cache
def rounded() -> Case:
    """A neuron whose function is above zero at zero and whose smallest thresholds, on either side of zero, scale to zero."""
    op = next(node.op for _, node in several_spikes()[0] if isinstance(node.op, PhaseNeuron))
    schedule = op.schedule
    assert isinstance(schedule, FixedSchedule)
    falling = (2.0 ** np.arange(schedule.steps - 2, -2, -1)).astype(np.int32)[None]  # ..., 2, 1, 0
    one = np.ones((1,) * len(op.shape), np.int32)
    schedule = replace(
        schedule, function="exp", scale=one.astype(float), mantissa=one, shift=3 * one, scale_class=0 * one,
        pos=falling, lo=np.full_like(falling, ALWAYS), hi=-falling,
        prefixes=None, after=None,
    )  # fmt: skip
    return near([replace(op, schedule=schedule, spikes=1, latest=None)])


@cache
def ties() -> Case:
    """Neurons of the other cases."""
    picked = {node.op.name + getattr(getattr(node.op, "schedule", None), "function", ""): node.op
              for case in (several_spikes, by_digits) for _, node in case()[0]}  # fmt: skip
    return near([picked[name] for name in ("phase_neuronidentity", "phase_neurongelu", "woss", "si_exp", "si_neuron")])


def near(ops: list[Operation]) -> Case:
    """Neurons that are given potentials at their thresholds and beside them, and any others."""
    rng, sizes = np.random.default_rng(0), [int(np.prod(op.shape)) for op in ops]
    header = Header(base=2.0, timesteps=1, spikes=1, precision="fixed", chip="loihi2", input_unit=1.0)
    network = FixedPointNetwork((1, sum(sizes)), header=header)
    columns, sums = [], []
    for op, size, end in zip(ops, sizes, np.cumsum(sizes).tolist(), strict=True):
        steps = json.dumps([["slice", [1, end - size, end, 1]], ["reshape", list(op.shape)]])
        given = Route(shape=op.shape, steps=steps, source_shape=network.input_shape, carries="graded")
        fires = network.add(
            "fires",
            op,
            network.add("given", given, Network.INPUT),
        )
        ones, nothing = np.ones((1,) * len(op.shape), np.int8), np.zeros((1,) * len(op.shape), np.int32)
        pool, trace = tuple(range(len(op.shape))), np.ones(op.steps, np.int32)  # type: ignore[attr-defined]
        pooled = ScaleSynapse(shape=ones.shape, weight=ones, bias=nothing, trace=trace, pool=pool, state_bits=24)
        flat = Route(shape=(1, 1), steps='[["reshape", [1, 1]]]', source_shape=ones.shape, carries="currents")
        sums.append(network.add("flat", flat, network.add("pooled", pooled, fires)))
        near = thresholds(op, SAMPLES * size, rng).reshape(SAMPLES, size)
        anything = rng.integers(near.min(), near.max(), near.shape)
        values = np.where(rng.random(near.shape) < 0.8, near, anything)
        if op.name in ("woss", "si_exp"):  # the largest of each row is 0
            values = -np.abs(values).reshape(SAMPLES, -1, op.shape[-1])
            values[..., 0] = 0
        columns.append(values.reshape(SAMPLES, size))
    factors = np.ones((len(sums), 1, 1), np.int32)
    total = Residual(
        shape=(1, 1), bias=np.zeros((1, 1), np.int32), mantissas=factors, shifts=0 * factors, state_bits=24
    )
    network.add("readout", Readout(shape=(1, 1), unit=np.ones((1, 1)), state_bits=24), network.add("sum", total, *sums))
    return network, np.concatenate(columns, 1).astype(np.float64)


def whole(conversion: Conversion) -> Network:
    assert conversion.fixed is not None
    return conversion.fixed


@cache
def uneven() -> Case:
    """Windows of unequal length, on both sides of every product too; samples far beyond calibration."""
    return uneven_attention(), np.concatenate([tokens(2, seed=1), 1000 * tokens(1)])


@cache
def massive() -> Case:
    """Sums of squares with a second word; samples far beyond calibration, at which they saturate."""
    return massive_feature(), np.concatenate([tokens(2, seed=1), 1000 * tokens(1)])


CASES: tuple[Callable[[], Case], ...] = (
    several_spikes, by_a_race, by_digits, by_trains, convolved, convolved_frames, curved,
    gated, pooled, mixed, rounded, ties, uneven, massive,
)  # fmt: skip
