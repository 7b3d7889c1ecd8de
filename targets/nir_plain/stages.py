"""The stages of networks that plain NIR can express: dense or convolutional synapses with ReLU or identity neurons."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch

from processes.errors import DeployError
from processes.network import ConvSynapse, DenseSynapse, Network, PhaseNeuron, RateNeuron, Readout, Route


@dataclass(frozen=True)
class Stage:
    """A stage computes a = W x + b of decoded values x. Its neurons code a, or it puts a out if ``fires`` is False.

    Where neurons code a, weight and bias are in units of their scale.

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
        """Upper bound of |a| and of its partial sums for values x in [-1, 1]."""
        total = np.abs(self.weight).reshape(len(self.weight), -1).sum(1)
        return float((total + np.abs(self.bias)).max())


def stages_of(network: Network) -> list[Stage]:
    """Return the stages of a network that is a single chain of synapses and neurons.

    Raises:
        DeployError: names the first operation that has no plain form.
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
        elif isinstance(op, PhaseNeuron | RateNeuron) and stages:
            if (reason := why_not_neuron(op)) is not None:
                raise DeployError(f"'{name}': {reason}; export without --plain")
            stages[-1] = with_neuron(stages[-1], op)
        elif isinstance(op, DenseSynapse | ConvSynapse):
            if (reason := why_not_synapse(op)) is not None:
                raise DeployError(f"'{name}': {reason}; export without --plain")
            stage = stage_of(op, network.shape(before))
            stages.append(_over_image(stage, stages[-1].shape) if stages and len(stages[-1].shape) > 1 else stage)
        elif not isinstance(op, PhaseNeuron | RateNeuron | Readout):
            raise DeployError(f"'{name}' ({op.name}) has no plain form; export without --plain, or with --segments")
        before = name
    if not all(stage.fires for stage in stages[:-1]):
        raise DeployError("two synapses follow each other without neurons; export without --plain")
    return stages


def _over_image(stage: Stage, image: tuple[int, ...]) -> Stage:
    """The stage behind one of pixels (C, H, W); a dense one becomes a convolution with kernels as large as the image.

    This avoids Flatten, on whose axes simulators disagree.
    """
    if stage.convolves:
        return stage
    weight = stage.weight.reshape(len(stage.weight), *image)
    return replace(stage, weight=weight, reads=image, shape=(len(weight), 1, 1))


def _flattens(op: Route, shape: tuple[int, ...]) -> bool:
    """Whether a route only reshapes values, without reordering them."""
    numbers = torch.arange(math.prod(shape)).reshape(1, 1, *shape)
    return torch.equal(op.closed_form(numbers).values.reshape(-1), numbers.reshape(-1))


def why_not_synapse(op: DenseSynapse | ConvSynapse) -> str | None:
    """The reason why a synapse has no plain form; None if it has one."""
    if isinstance(op, ConvSynapse) and op.groups > 1:
        return "not every simulator runs grouped convolutions"
    if isinstance(op, ConvSynapse) and op.shape[0] > 1:
        return "it convolves several images of a sample"
    return None


def why_not_neuron(op: PhaseNeuron | RateNeuron) -> str | None:
    """The reason why neurons have no plain form; None if they have one."""
    if isinstance(op, RateNeuron):
        return None
    if op.schedule.function not in ("relu", "identity"):
        return f"{op.schedule.function} is no leaky integrate-and-fire neuron"
    if op.spikes > 1:
        return f"{op.spikes} spikes per value are no single threshold crossing"
    return None


def stage_of(op: DenseSynapse | ConvSynapse, reads: tuple[int, ...]) -> Stage:
    """A synapse as a stage that puts out potentials in the synapse's units; shapes lose their leading axis of 1."""
    weight = op.weight.astype(np.float64) * float(op.trace[0])
    geometry: Any = (op.stride, op.padding, op.dilation) if isinstance(op, ConvSynapse) else ((1, 1), (0, 0), (1, 1))
    return Stage(weight, op.bias.astype(np.float64), reads[1:], op.shape[1:], False, False, geometry)


def with_neuron(stage: Stage, op: PhaseNeuron | RateNeuron) -> Stage:
    """The stage with neurons that code it; weight and bias are divided by the neurons' scales."""
    if isinstance(op, RateNeuron):
        scale, function = op.threshold, op.function
    else:
        scale, function = op.schedule.tables[3][:, 0].astype(np.float64), op.schedule.function
    rows = np.broadcast_to(scale, len(stage.bias)) if scale.size == 1 else scale
    column = rows.reshape(-1, *[1] * (stage.weight.ndim - 1))
    return replace(
        stage, weight=stage.weight / column, bias=stage.bias / rows, fires=True, bipolar=function == "identity"
    )
