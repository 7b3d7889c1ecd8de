"""Calibration: give every firing neuron its scale from real activations, and fold the scales into what reads them.

The lowered network is evaluated in real units (its ideal) on calibration samples that are never evaluation samples.
Scales are the largest magnitude per channel, never per token: a per-token scale cannot be folded into shared weights.
After folding, a spike at step k stands for L_k alone, whatever neuron sends it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import replace
from types import MappingProxyType

import numpy as np
import torch

from processes.errors import DeployError
from processes.network import (
    ConvSynapse,
    DenseSynapse,
    DynamicThreshold,
    Network,
    PhaseNeuron,
    Residual,
    Route,
    ScaleSynapse,
    SquareSum,
    Synapse,
    TraceProduct,
    Woss,
)
from processes.operation import Operation
from processes.phase_code import PhaseCode
from processes.phase_neuron.schedule import LINEAR
from processes.routing import apply
from targets.closed_form import ClosedForm

Firing = PhaseNeuron | DynamicThreshold
Progress = Callable[[int, int], None]
NO_BASES: Mapping[str, float] = MappingProxyType({})


def calibrate(
    network: Network,
    samples: np.ndarray,
    code: PhaseCode,
    batch: int = 32,
    progress: Progress | None = None,
    *,
    spikes: int = 1,
    input_spikes: int = 1,
    bases: Mapping[str, float] = NO_BASES,
    race: bool = False,
    sharpen: bool = False,
) -> Network:
    """Set scales, thresholds and folded weights of a lowered network, in place.

    Args:
        network: from :func:`converters.lowering.lower`; it is consumed.
        samples: calibration inputs (N, *input).
        code: base and window of every code.
        bases: other bases than that, by firing node.
        batch: samples evaluated together.
        progress: called with (samples done, samples in all).
        spikes: most spikes per value and window, 1 to 3; softmax weights always have one.
        input_spikes: the same for the neurons that code the input, if that is more.
        race: let WOSS find its winners by a falling threshold instead of graded spikes.
        sharpen: make WOSS too sharp by the factor B, as published.

    Returns:
        The same network, ready to run in floating point.
    """
    _allow(network, spikes, input_spikes)
    peaks = observe_peaks(network, samples, batch, progress)
    for name, peak in peaks.items():
        if not isinstance(network[name], Woss):
            _set_scale(network, name, np.where(peak > 0, peak, 1.0))
    for name, node in network:
        if isinstance(node.op, TraceProduct):
            _equalise(network, name, node.op)
    for name, node in network:
        _fold(network, name, node.op, node.inputs, replace(code, base=bases.get(name, code.base)))
        if isinstance(node.op, Woss):
            node.op.race = _race(node.op, peaks[name]) if race else None
            node.op.ramp = node.op.ramp / (node.op.base if sharpen else 1.0)
    network.about |= {"base": code.base, "timesteps": code.steps, "spikes": spikes, "precision": "float"}
    return network


def _allow(network: Network, spikes: int, input_spikes: int) -> None:
    """Let every phase and dynamic-threshold neuron spend that many spikes.

    Raises:
        DeployError: more than 3, or a function whose thresholds would depend on two levels.
    """
    for number in (spikes, input_spikes):
        if not 1 <= number <= 3:
            raise DeployError(f"{number} spikes per value are outside 1 to 3; try 2")
    for name, node in network:
        op = node.op
        if isinstance(op, PhaseNeuron) and spikes > 2 and op.schedule.function not in LINEAR:
            held = f"'{name}': a third spike of {op.schedule.function} would need thresholds by two levels"
            raise DeployError(f"{held}; use --spikes 2")
        if isinstance(op, Firing):
            codes_input = network.origin(node.inputs[0]) == Network.INPUT
            op.spikes = max(spikes, input_spikes) if codes_input else spikes


def observe_peaks(
    network: Network, samples: np.ndarray, batch: int, progress: Progress | None = None
) -> dict[str, np.ndarray]:
    """Largest |ideal| of every phase and dynamic-threshold neuron, in the broadcast shape of its parameters.

    For WOSS, the smallest and the largest winner.
    """
    peaks: dict[str, np.ndarray] = {}
    labels = feature_labels(network)
    shapes = {n: labels[n].shape for n, node in network if isinstance(node.op, Firing)}
    races = {node.inputs[0]: n for n, node in network if isinstance(node.op, Woss)}

    def observe(name: str, op: Operation, y: torch.Tensor) -> None:
        if name in shapes:
            axes = tuple(a for a, size in enumerate((1, *shapes[name])) if size == 1)
            peak = y.abs().amax(axes, keepdim=True)[0].double().numpy()
            peaks[name] = np.maximum(peaks.get(name, 0.0), peak)
        elif name in races:
            winners = y.amax(-1).double()
            low, high = peaks.get(races[name], (np.inf, -np.inf))
            peaks[races[name]] = np.array([min(low, winners.min()), max(high, winners.max())])

    runner = ClosedForm(network, torch.float32, ideal=True)
    for start in range(0, len(samples), batch):
        runner.run(samples[start : start + batch], observe)
        if progress is not None:
            progress(min(start + batch, len(samples)), len(samples))
    return peaks


def feature_labels(network: Network) -> dict[str, np.ndarray]:
    """Per node, a number for each feature in the broadcast shape of its samples.

    Scales vary between features, never between tokens or pixels, which share weights. What a feature is follows from
    the synapses (output rows), from the operands of products, and through all wiring.
    """
    labels = {Network.INPUT: _numbered(network.input_shape, 1 if len(network.input_shape) == 4 else -1)}
    for name, node in network:
        op, sources = node.op, [labels[source] for source in node.inputs]
        if isinstance(op, Route):
            labels[name] = routed(op, sources[0])
        elif isinstance(op, (ConvSynapse, DenseSynapse)):
            labels[name] = _numbered(op.shape, 1 if isinstance(op, ConvSynapse) else -1)
        elif isinstance(op, TraceProduct):
            a, b = sources[0], _rows(op, sources[1])
            lead = np.broadcast_shapes(a.shape[:-2], b.shape[:-2])
            shape = (*lead, a.shape[-2], b.shape[-2])
            labels[name] = np.arange(1, math.prod(shape) + 1, dtype=np.float64).reshape(shape)
        elif isinstance(op, ScaleSynapse) and op.pool:
            labels[name] = sources[0].max(op.pool, keepdims=True)
        elif isinstance(op, SquareSum):
            labels[name] = np.ones((1,) * len(op.shape))
        else:
            labels[name] = sources[0]
    return labels


def _numbered(shape: tuple[int, ...], axis: int) -> np.ndarray:
    sizes = [1] * len(shape)
    sizes[axis] = shape[axis]
    return np.arange(1, shape[axis] + 1, dtype=np.float64).reshape(sizes)


def _rows(op: TraceProduct, b: np.ndarray) -> np.ndarray:
    """The second operand with the summed axis last, as the first has it."""
    return b if op.transpose_b else b.swapaxes(-1, -2)


def _set_scale(network: Network, name: str, peak: np.ndarray) -> None:
    op = network[name]
    squares = any(isinstance(network[r], SquareSum) for r in network.readers(name))
    if isinstance(op, PhaseNeuron):
        # the self product shifts by a feature's exponent, and GELU's tables come one per power of two
        if squares:
            peak = peak.max(tuple(range(peak.ndim - 1)), keepdims=True)
        if squares or op.schedule.function not in LINEAR:
            peak = 2.0 ** np.ceil(np.log2(peak))
        op.schedule = replace(op.schedule, scale=peak, unit=np.ones_like(peak))
    elif isinstance(op, DynamicThreshold):
        # its divisor goes with rows, and so cannot its scale; a scale per head is the same for the head's columns
        peak = peak.max(-2, keepdims=True)
        op.scale = np.broadcast_to(peak, (*peak.shape[:-1], op.shape[-1])).copy() if peak.size > 1 else peak


def scale_of(network: Network, name: str) -> np.ndarray:
    """Real value of a spike at k = 0 of the neurons behind ``name``, in the broadcast shape of its samples."""
    op = network[name]
    if isinstance(op, Route):
        return routed(op, scale_of(network, network.nodes[name].inputs[0]))
    return op.scale  # type: ignore[attr-defined]


def routed(op: Route, values: np.ndarray) -> np.ndarray:
    """Scales or units after a route; padding, which is silent, takes whatever its neighbours have."""
    full = apply(torch.as_tensor(values).expand(op.source_shape), op.chain, 0).numpy()
    for axis in range(full.ndim):
        largest = full.max(axis, keepdims=True)
        if ((full == largest) | (full == 0)).all():
            full = largest
    return np.ascontiguousarray(full)


def unit_of(network: Network, name: str) -> np.ndarray:
    """Real value of one unit of potential of ``name``: 1 but for products, whose operands' scales stay in it."""
    op = network[name] if name != Network.INPUT else None
    if isinstance(op, Route):
        return routed(op, unit_of(network, network.nodes[name].inputs[0]))
    if not isinstance(op, TraceProduct):
        return np.ones((1,) * len(network.input_shape if op is None else op.shape))
    a, b = (scale_of(network, operand) for operand in network.nodes[name].inputs)
    b = _rows(op, b)
    if a.shape[-2] == b.shape[-2] == 1:
        a, b = a * b, np.ones((1,) * a.ndim)
    if any(np.ptp(scale, axis=-1).max() > 1e-9 * scale.max() for scale in (a, b)):
        raise DeployError(f"'{name}': the scales of its operands vary along the axis that is summed")
    return a.max(-1, keepdims=True) * b.max(-1, keepdims=True).swapaxes(-1, -2)


def _race(op: Woss, winners: np.ndarray) -> np.ndarray:
    """Thresholds that fall from the largest calibrated winner to the smallest, ln B of the softmax per step."""
    low, high = winners
    fall = op.ramp[:, 1] - op.ramp[:, 0]  # in units of the potential, per head
    unit = np.log(op.base) / (fall * op.gain)
    steps = max(2, int(np.ceil((high - low) / (fall * unit).min())) + 1)
    thresholds = high / unit[:, None] - np.arange(steps) * fall[:, None]
    thresholds[:, -1] = -np.inf  # whoever is left
    return thresholds


def _equalise(network: Network, name: str, op: TraceProduct) -> None:
    """Raise the scales of a product's operands so that they do not vary along the summed axis.

    Where only features of one head meet (q k^T), it is enough that s_q,d s_k,d is the same for all d.
    """
    left, right = network.nodes[name].inputs
    a, b = scale_of(network, left), _rows(op, scale_of(network, right))
    if a.shape[-2] == b.shape[-2] == 1 and min(a.shape[-1], b.shape[-1]) > 1:
        factor = np.sqrt((a * b).max(-1, keepdims=True) / (a * b))
        a, b = a * factor, b * factor
    else:
        a, b = a.max(-1, keepdims=True), b.max(-1, keepdims=True)
    _raise_scale(network, left, a)
    _raise_scale(network, right, _rows(op, b))


def _raise_scale(network: Network, name: str, wanted: np.ndarray) -> None:
    """Scales of the neurons behind ``name`` at least as large as ``wanted``, a broadcast shape after its routes."""
    origin = network.origin(name)
    op, scale = network[origin], scale_of(network, origin)
    index = torch.arange(scale.size, dtype=torch.float64).reshape(scale.shape).expand(op.shape)
    for route in reversed(_routes(network, name)):
        index = apply(index, route.chain, 0)
    raised = scale.reshape(-1).copy()
    where = index.numpy().astype(int)
    np.maximum.at(raised, where.reshape(-1), np.broadcast_to(wanted, where.shape).reshape(-1))
    raised = raised.reshape(scale.shape)
    if isinstance(op, PhaseNeuron):
        op.schedule = replace(op.schedule, scale=raised)
    elif isinstance(op, DynamicThreshold):
        op.scale = raised


def _routes(network: Network, name: str) -> list[Route]:
    """Routes from ``name`` back to its origin."""
    routes: list[Route] = []
    while name != Network.INPUT and isinstance(op := network[name], Route):
        routes.append(op)
        name = network.nodes[name].inputs[0]
    return routes


def _fold(network: Network, name: str, op: Operation, inputs: tuple[str, ...], code: PhaseCode) -> None:
    """Thresholds, traces and weights of one operation in units of its operands' spikes; its own are in ``code``."""
    if isinstance(op, Synapse):
        scale = scale_of(network, inputs[0])
        op.trace = network.code(inputs[0]).levels
        if isinstance(op, ScaleSynapse):
            op.weight = op.weight * scale
        else:
            axis = 1 if isinstance(op, ConvSynapse) else len(scale.shape) - 1
            if scale.size != scale.shape[axis]:
                raise DeployError(f"'{name}': the scale of its input varies along more than one axis")
            op.weight = _columns(op, scale.reshape(-1))
    elif isinstance(op, PhaseNeuron):
        unit = np.broadcast_to(unit_of(network, inputs[0]), op.scale.shape)
        op.schedule = replace(op.schedule, unit=np.ascontiguousarray(unit), base=code.base, steps=code.steps)
    elif isinstance(op, TraceProduct):
        op.traces = np.stack([network.code(operand).levels for operand in inputs])
        op.bias = op.bias / unit_of(network, name)
    elif isinstance(op, SquareSum):
        op.trace, op.weight = network.code(inputs[0]).levels, scale_of(network, inputs[0]) ** 2
    elif isinstance(op, Woss):
        op.base, op.steps = code.base, code.steps
        unit = unit_of(network, inputs[0])
        heads = unit.reshape(-1) if unit.size > 1 else unit.reshape(1)
        op.ramp = (np.arange(code.steps) + 0.5) * np.log(code.base) / (heads * op.gain)[:, None]
    elif isinstance(op, DynamicThreshold):
        op.base, op.steps = code.base, code.steps
        theta = op.scale.reshape(-1, 1) * code.midpoints
        if op.squared:
            op.table = theta**2 / op.features
        else:
            op.trace = network.code(inputs[1]).levels
            op.table = theta / np.broadcast_to(unit_of(network, inputs[0]), op.scale.shape).reshape(-1, 1)
    elif isinstance(op, Residual) and any(unit_of(network, source).max() != 1 for source in inputs):
        raise DeployError(f"'{name}': a product of activations joins a residual stream directly")


def _columns(op: Synapse, scale: np.ndarray) -> np.ndarray:
    """Weights with each input channel's scale folded in; grouped convolutions see their own channels."""
    if not isinstance(op, ConvSynapse):
        return op.weight * scale
    rows, per_group = op.weight.shape[:2]
    scale = np.broadcast_to(scale, per_group * op.groups)
    first = np.repeat(np.arange(op.groups), rows // op.groups)[:, None] * per_group
    return op.weight * scale[first + np.arange(per_group)][:, :, None, None]
