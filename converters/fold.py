"""Folding: thresholds, traces and weights in units of the spikes that drive them.

After it a spike at step k stands for L_k alone, whatever neuron sends it.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from converters import sit
from converters.scales import input_axis, scale_of, unit_of
from processes.errors import DeployError
from processes.network import (
    Centre,
    ConvSynapse,
    DynamicThreshold,
    ElementwiseProduct,
    MaxPool,
    Network,
    PhaseNeuron,
    Readout,
    Residual,
    Route,
    ScaleSynapse,
    SiExp,
    SiNeuron,
    SiNorm,
    SquareSum,
    Synapse,
    TraceProduct,
    Woss,
)
from processes.operation import Operation
from processes.phase_code import PhaseCode
from processes.woss.further import further_thresholds


def fold(
    network: Network, name: str, op: Operation, inputs: tuple[str, ...], code: PhaseCode, peak: np.ndarray | None
) -> Operation:
    """One operation with thresholds, traces and weights in units of its operands' spikes; its own are in ``code``."""
    if isinstance(op, Synapse):
        scale = scale_of(network, inputs[0])
        trace = network.code(inputs[0]).levels
        if isinstance(op, ScaleSynapse):
            weight = op.weight * scale
            for axis in op.pool:  # one unit for what is added up
                if (weight == weight.take([0], axis)).all():
                    weight = weight.take([0], axis)
            return replace(op, trace=trace, weight=weight)
        if scale.size != scale.shape[input_axis(op, scale.ndim)]:
            raise DeployError(f"'{name}': the scale of its input varies along more than one axis")
        return replace(op, trace=trace, weight=columns(op, scale.reshape(-1)))
    if isinstance(op, PhaseNeuron):
        unit = np.broadcast_to(unit_of(network, inputs[0]), op.scale.shape)
        unit = np.ascontiguousarray(unit)
        return replace(op, schedule=replace(op.schedule, unit=unit, base=code.base, steps=code.steps))
    if isinstance(op, TraceProduct):
        traces = np.stack([network.code(operand).levels for operand in inputs])
        return replace(op, traces=traces, bias=op.bias / unit_of(network, name))
    if isinstance(op, ElementwiseProduct):
        return replace(op, traces=np.stack([network.code(operand).levels for operand in inputs]))
    if isinstance(op, SiExp):
        return sit.fold_exp(op, unit_by_head(network, name, inputs[0]), code.steps, op.clock is not None)
    if isinstance(op, SiNorm):
        exponential = network[inputs[0]]
        assert isinstance(exponential, SiExp)
        return sit.fold_norm(op, exponential, code.steps)
    if isinstance(op, SiNeuron):
        assert peak is not None
        unit = unit_of(network, inputs[0])
        unit = unit if unit.size > 1 else np.full((1,) * len(op.shape), unit.item())
        return sit.fold_neuron(op, name, float(peak), code.steps, unit)
    if isinstance(op, SquareSum):
        return replace(op, trace=network.code(inputs[0]).levels, weight=scale_of(network, inputs[0]) ** 2)
    if isinstance(op, Woss):
        per_head = unit_by_head(network, name, inputs[0]).reshape(-1) * op.gain
        prefixes, after = further_thresholds(code, op.spikes) if op.spikes > 1 else (None, None)
        return replace(
            op,
            base=code.base,
            steps=code.steps,
            ramp=(np.arange(code.steps) + 0.5) * np.log(code.base) / per_head[:, None],
            prefixes=prefixes,
            after=None if after is None else after / per_head[:, None, None, None],
        )
    if isinstance(op, DynamicThreshold):
        theta, coded = op.scale.reshape(-1, 1) * code.midpoints, replace(op, base=code.base, steps=code.steps)
        if op.squared:
            return replace(coded, table=theta**2 / op.features, low=half_silent(network, inputs[1]))
        unit = np.broadcast_to(unit_of(network, inputs[0]), op.scale.shape)
        return replace(coded, trace=network.code(inputs[1]).levels, table=theta / unit.reshape(-1, 1))
    if isinstance(op, MaxPool):
        passed = network.code(inputs[0])
        assert isinstance(passed, PhaseCode)
        if (scale_of(network, inputs[0]) != scale_of(network, name)).any():
            raise DeployError(f"'{name}': scales of its operand differ within a field")
        spikes = network[network.origin(inputs[0])].spikes  # type: ignore[attr-defined]
        return replace(op, scale=scale_of(network, name), base=passed.base, steps=passed.steps, spikes=spikes)
    if isinstance(op, Residual):
        if any(unit_of(network, source).max() != 1 for source in inputs):
            raise DeployError(f"'{name}': a product of activations joins a residual stream directly")
        return op
    if isinstance(op, Centre | Readout | Route):
        return op
    raise DeployError(f"'{name}': operation '{op.name}' has no phase-coded form")


def unit_by_head(network: Network, name: str, logits: str) -> np.ndarray:
    """Real value of one unit of a softmax's logits, which may differ between heads and not within one."""
    unit = unit_of(network, logits)
    if max(unit.shape[-2:], default=1) > 1:
        raise DeployError(f"'{name}': logits that are compared with each other have different units")
    return unit


def half_silent(network: Network, square_sum: str) -> float:
    """Sum of squares of a row of normally distributed values half of which are below the smallest level of their code."""
    operand = network.nodes[square_sum].inputs[0]
    median = 0.6745  # of |x| for standard normal x
    smallest = network.code(operand).midpoints[-1]
    return float(network.shape(operand)[-1] * (scale_of(network, operand) ** 2).mean() * (smallest / median) ** 2)


def columns(op: Synapse, scale: np.ndarray) -> np.ndarray:
    """Weights with each input channel's scale folded in; grouped convolutions see their own channels."""
    if not isinstance(op, ConvSynapse):
        return op.weight * scale
    rows, per_group = op.weight.shape[:2]
    scale = np.broadcast_to(scale, per_group * op.groups)
    first = np.repeat(np.arange(op.groups), rows // op.groups)[:, None] * per_group
    return op.weight * scale[first + np.arange(per_group)][:, :, None, None]


def race_thresholds(op: Woss, winners: np.ndarray) -> np.ndarray:
    """Thresholds that fall from the largest calibrated winner to the smallest, ln B of the softmax per step."""
    low, high = winners
    fall = op.ramp[:, 1] - op.ramp[:, 0]  # in units of the potential, per head
    unit = np.log(op.base) / (fall * op.gain)
    steps = max(2, int(np.ceil((high - low) / (fall * unit).min())) + 1)
    thresholds = high / unit[:, None] - np.arange(steps) * fall[:, None]
    thresholds[:, -1] = -np.inf  # whoever is left
    return thresholds
