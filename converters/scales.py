"""Scales: what a spike at k = 0 of every firing neuron stands for, from real activations.

The lowered network is evaluated in real units (its ideal) on calibration samples that are never evaluation samples.
Scales are the largest magnitude per channel, never per token: a per-token scale cannot be folded into shared weights.
"""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import torch

from converters import sit
from converters.ingredients import ALL, Ingredients
from evaluator.closed_form import ClosedForm
from processes.batches import Progress, slices
from processes.errors import DeployError
from processes.network import (
    ConvSynapse,
    DenseSynapse,
    DynamicThreshold,
    ElementwiseProduct,
    MaxPool,
    Network,
    PhaseNeuron,
    Residual,
    Route,
    ScaleSynapse,
    SiExp,
    SiNeuron,
    SiNorm,
    SquareSum,
    TraceProduct,
    Woss,
)
from processes.operation import Operation, Result
from processes.phase_neuron.schedule import LINEAR
from processes.routing import apply

Firing = PhaseNeuron | DynamicThreshold
EQUAL = 1e-9
"""Relative difference below which scales are the same but for rounding."""


def set_scales(network: Network, peaks: dict[str, np.ndarray], ingredients: Ingredients = ALL) -> None:
    """Put neurons with the scales that their peaks ask for, equal where products need it, into ``network``, in place."""
    for name, peak in peaks.items():
        if not isinstance(network[name], Woss):
            peak = peak if ingredients.channel_scales else np.full_like(peak, peak.max())
            _set_scale(network, name, np.where(peak > 0, peak, 1.0))
    for _, node in network:
        if isinstance(node.op, (DenseSynapse, ConvSynapse)):
            _share(network, node.op, node.inputs[0])
        if isinstance(node.op, ScaleSynapse) and node.op.pool:  # one unit for what is added up
            _raise_scale(network, node.inputs[0], scale_of(network, node.inputs[0]).max(node.op.pool, keepdims=True))
    products = [(name, node.op) for name, node in network if isinstance(node.op, TraceProduct)]
    for name, op in products:
        _equalise(network, name, op, ingredients.equal_products)
    for name, op in products:
        _follow(network, name, op)
    for _, node in reversed(list(network)):
        if isinstance(node.op, MaxPool):
            _level(network, node.op, node.inputs[0])


def _share(network: Network, op: DenseSynapse | ConvSynapse, operand: str) -> None:
    """Raise scales that vary along another axis than the synapse's inputs: all tokens or pixels share its weights."""
    scale = scale_of(network, operand)
    axis = input_axis(op, scale.ndim)
    if scale.size != scale.shape[axis]:
        _raise_scale(network, operand, scale.max(tuple(a for a in range(scale.ndim) if a != axis), keepdims=True))


def _level(network: Network, op: MaxPool, operand: str) -> None:
    """Raise scales that vary within a field to the largest: whose spike comes first has the larger value."""
    _raise_scale(network, operand, scale_of(network, operand).max(op.pooled, keepdims=True))


def input_axis(op: Operation, axes: int) -> int:
    """The axis of a sample along which a synapse's inputs lie: channels of a convolution, else the last."""
    return 1 if isinstance(op, ConvSynapse) else axes - 1


def observe_peaks(
    network: Network, samples: np.ndarray, batch: int, progress: Progress | None = None
) -> dict[str, np.ndarray]:
    """Largest |ideal| of every phase and dynamic-threshold neuron, in the broadcast shape of its parameters.

    For WOSS, the smallest and the largest winner; for SI-norm the largest share, for fitted neurons the largest input.
    """
    peaks: dict[str, np.ndarray] = {}
    labels = feature_labels(network)
    shapes = {n: labels[n].shape for n, node in network if isinstance(node.op, Firing)}
    shapes |= {n: (1,) * len(node.op.shape) for n, node in network if isinstance(node.op, SiNorm)}
    curved = {node.inputs[0]: n for n, node in network if isinstance(node.op, SiNeuron)}
    races = {node.inputs[0]: n for n, node in network if isinstance(node.op, Woss)}

    def observe(name: str, op: Operation, result: Result) -> None:
        y = result.values
        if name in shapes:
            axes = tuple(a for a, size in enumerate((1, *shapes[name])) if size == 1)
            peak = y.abs().amax(axes, keepdim=True)[0].double().numpy()
            peaks[name] = np.maximum(peaks.get(name, 0.0), peak)
        if name in curved:
            peaks[curved[name]] = np.maximum(peaks.get(curved[name], 0.0), y.abs().max().double().numpy())
        if name in races:
            winners = y.amax(-1).double()
            low, high = peaks.get(races[name], (np.inf, -np.inf))
            peaks[races[name]] = np.array([min(low, winners.min()), max(high, winners.max())])

    runner = ClosedForm(network, torch.float32, ideal=True)
    for part in slices(len(samples), batch, progress):
        runner.run(samples[part], observe)
    return peaks


def feature_labels(network: Network) -> dict[str, np.ndarray]:
    """Per node, a number for each feature in the broadcast shape of its samples.

    Scales vary between features, never between tokens or pixels, which share weights. What a feature is follows from
    the synapses (output rows), from the operands of products, and through all wiring.
    """
    labels = {Network.INPUT: _numbered(network.input_shape, 1 if len(network.input_shape) == 4 else -1)}
    for name, node in network:
        op, sources = node.op, [labels[source] for source in node.inputs]
        if isinstance(op, Route) and node.inputs[0] == Network.INPUT and len(network.input_shape) == 2 < len(op.shape):
            labels[name] = _numbered(
                op.shape, 1 if len(op.shape) == 4 else -1
            )  # a part of a flat input, with features of its own
        elif isinstance(op, Route):
            labels[name] = routed(op, sources[0])
        elif isinstance(op, (ConvSynapse, DenseSynapse)):
            labels[name] = _numbered(op.shape, 1 if isinstance(op, ConvSynapse) else -1)
        elif isinstance(op, TraceProduct):
            a, b = sources[0], _rows(op, sources[1])
            lead = np.broadcast_shapes(a.shape[:-2], b.shape[:-2])
            shape = (*lead, a.shape[-2], b.shape[-2])
            labels[name] = np.arange(1, math.prod(shape) + 1, dtype=np.float64).reshape(shape)
        elif isinstance(op, ElementwiseProduct):
            shape = np.broadcast_shapes(*(label.shape for label in sources))
            labels[name] = np.arange(1, math.prod(shape) + 1, dtype=np.float64).reshape(shape)
        elif isinstance(op, ScaleSynapse) and op.pool:
            labels[name] = sources[0].max(op.pool, keepdims=True)
        elif isinstance(op, MaxPool):
            labels[name] = sources[0].max(op.pooled, keepdims=True)
        elif isinstance(op, SquareSum):
            labels[name] = np.ones((1,) * len(op.shape))
        elif isinstance(op, Residual) and not sources[0].all():
            labels[name] = _beside(sources)
        else:
            labels[name] = sources[0]
    return labels


def _beside(sources: list[np.ndarray]) -> np.ndarray:
    """Features of what stands side by side, padded with zeros where the others are: a number for each combination."""
    shape = np.broadcast_shapes(*(source.shape for source in sources))
    flat = np.stack([np.broadcast_to(source, shape).reshape(-1) for source in sources])
    _, numbers = np.unique(flat, axis=1, return_inverse=True)
    return (numbers.reshape(shape) + 1).astype(np.float64)


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
        network.put(name, replace(op, schedule=replace(op.schedule, scale=peak, unit=np.ones_like(peak))))
    elif isinstance(op, SiNorm):
        network.put(name, replace(op, scale=sit.norm_scale(op, float(peak.max()))))
    elif isinstance(op, DynamicThreshold):
        # its divisor goes with rows, and so cannot its scale; a scale per head is the same for the head's columns
        peak = peak.max(-2, keepdims=True)
        wide = np.broadcast_to(peak, (*peak.shape[:-1], op.shape[-1])).copy() if peak.size > 1 else peak
        network.put(name, replace(op, scale=wide))


def with_scale(op: Operation, scale: np.ndarray) -> Operation:
    """A firing neuron with another scale; a softmax's stays, whose winner or power of two is its own."""
    if isinstance(op, PhaseNeuron):
        return replace(op, schedule=replace(op.schedule, scale=scale))
    if isinstance(op, DynamicThreshold):
        return replace(op, scale=scale)
    if isinstance(op, Woss | SiNorm):
        return op
    raise DeployError(f"operation '{op.name}' has no scale to choose")


def scale_of(network: Network, name: str) -> np.ndarray:
    """Real value of a spike at k = 0 of the neurons behind ``name``, in the broadcast shape of its samples."""
    op = network[name]
    if isinstance(op, Route):
        return routed(op, scale_of(network, network.nodes[name].inputs[0]))
    if isinstance(op, MaxPool):
        return scale_of(network, network.nodes[name].inputs[0]).max(op.pooled, keepdims=True)
    return op.scale  # type: ignore[attr-defined]


def routed(op: Route, values: np.ndarray) -> np.ndarray:
    """Scales or units after a route; padding, which is silent, takes whatever its neighbours have."""
    full = apply(torch.tensor(values).expand(op.source_shape), op.chain, 0).numpy()
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
    if isinstance(op, ElementwiseProduct):
        left, right = (scale_of(network, operand) for operand in network.nodes[name].inputs)
        return left * right
    if not isinstance(op, TraceProduct):
        return np.ones((1,) * len(network.input_shape if op is None else op.shape))
    a, b = (scale_of(network, operand) for operand in network.nodes[name].inputs)
    b = _rows(op, b)
    if a.shape[-2] == b.shape[-2] == 1:
        a, b = a * b, np.ones((1,) * a.ndim)
    if any(np.ptp(scale, axis=-1).max() > EQUAL * scale.max() for scale in (a, b)):
        raise DeployError(f"'{name}': the scales of its operands vary along the axis that is summed")
    return a.max(-1, keepdims=True) * b.max(-1, keepdims=True).swapaxes(-1, -2)


def _equalise(network: Network, name: str, op: TraceProduct, together: bool) -> None:
    """Raise the scales of a product's operands so that they do not vary along the summed axis.

    Where only features of one head meet (q k^T), it is enough, ``together``, that s_q,d s_k,d is the same for all d. Logits
    of a softmax are compared with each other, so those of a head have one unit even where they belong to features
    (attention between channels).
    """
    left, right = network.nodes[name].inputs
    compared = any(isinstance(n.op, (Woss, SiExp)) and network.origin(n.inputs[0]) == name for _, n in network)
    a, b = scale_of(network, left), _rows(op, scale_of(network, right))
    if together and a.shape[-2] == b.shape[-2] == 1 and min(a.shape[-1], b.shape[-1]) > 1:
        factor = np.sqrt((a * b).max(-1, keepdims=True) / (a * b))
        a, b = a * factor, b * factor
    else:
        summed = (-2, -1) if compared else -1
        a, b = a.max(summed, keepdims=True), b.max(summed, keepdims=True)
    _raise_scale(network, left, a)
    _raise_scale(network, right, _rows(op, b))


def _follow(network: Network, name: str, op: TraceProduct) -> None:
    """Raise the first operand's scales where the second one's, which other heads or products share, have been raised more."""
    left, right = network.nodes[name].inputs
    a, b = scale_of(network, left), _rows(op, scale_of(network, right))
    if a.shape[-2] == b.shape[-2] == 1 and np.ptp(a * b, axis=-1).max() > EQUAL * (a * b).max():
        _raise_scale(network, left, (a * b).max(-1, keepdims=True) / b)


def _raise_scale(network: Network, name: str, wanted: np.ndarray) -> None:
    """Scales of the neurons behind ``name`` at least as large as ``wanted``, a broadcast shape after its routes."""
    origin, _ = _coder(network, name)
    scale, where = scale_of(network, origin), places(network, name)
    raised = scale.reshape(-1).copy()
    np.maximum.at(raised, where.reshape(-1), np.broadcast_to(wanted, where.shape).reshape(-1))
    network.put(origin, with_scale(network[origin], raised.reshape(scale.shape)))


def places(network: Network, name: str) -> np.ndarray:
    """Which of the scales of the neurons behind ``name`` each value after its routes has, as flat indices."""
    origin, passing = _coder(network, name)
    scale = scale_of(network, origin)
    index = torch.arange(scale.size, dtype=torch.float64).reshape(scale.shape).expand(network[origin].shape)
    for op in reversed(passing):
        index = apply(index, op.chain, 0) if isinstance(op, Route) else op.fields(index)
    return index.numpy().astype(int)


def _coder(network: Network, name: str) -> tuple[str, list[Route | MaxPool]]:
    """The node that chose the code in which spikes come from ``name``, and what passes them on, the last one first."""
    passing: list[Route | MaxPool] = []
    while name != Network.INPUT and isinstance(op := network[name], Route | MaxPool):
        passing.append(op)
        name = network.nodes[name].inputs[0]
    return name, passing
