"""Scales: the real value of a spike at k = 0 of every firing neuron, from real activations.

The lowered network is evaluated in real units (its ideal) on calibration samples that are never evaluation samples.
Scales are the largest magnitude per channel, never per token: a per-token scale cannot be folded into shared weights.
Operations say in their ``calibration.py`` what is observed of them, and how scales have to be shared for them.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import torch

from converters.ingredients import ALL, Ingredients
from converters.positions import Position
from evaluator.closed_form import ClosedForm
from evaluator.telling import telling
from processes.batches import Progress, slices
from processes.calibration import (
    Observation,
    Round,
    accepts,
    features,
    numbered,
    observed,
    picks,
    rescaled,
    scaled,
    shared,
)
from processes.network import Network
from processes.operation import Operation, Result

ROUNDS: tuple[Round, ...] = ("weights", "products", "followers", "weights", "seconds")
"""The order in which scales are raised (:data:`processes.calibration.Round`).

"weights" comes twice: where heads share weights and each meets keys of its own (relative positions), a scale has to be
raised
for the products and for the weights."""


ENOUGH, MARGIN = 256, 0.25
"""Where each pair of a row and a column is a feature of its own, it may have few values. Of n values, fewer than ``ENOUGH``,
the largest is soon exceeded, and so is raised by (ENOUGH / n)^MARGIN.

What exceeds a scale is cut off, while a scale that is too large by a half costs two or three of the steps of a window."""


def set_scales(network: Network, peaks: dict[str, np.ndarray], samples: int, ingredients: Ingredients = ALL) -> None:
    """Give neurons of ``network`` the scales that their peaks ask for, in place, and raise those that have to agree.

    Args:
        network: lowered, at the stage of a scaled network.
        peaks: from :func:`observe_peaks`; where a peak is 0, the scale is set as for a peak of 1.
        samples: how many samples they were observed on.
        ingredients: whether scales differ between channels, and between q and k of a product.
    """
    for name, peak in peaks.items():
        peak = peak if ingredients.channel_scales else np.full_like(peak, peak.max())
        seen = samples * math.prod(network.shape(name)) / peak.size  # values of each feature
        if sum(n > 1 for n in peak.shape) > 1:
            peak = peak * max(1.0, ENOUGH / seen) ** MARGIN
        direct = [network[reader] for reader in network.readers(name) if network.origin(reader) == reader]
        octaves = any(accepts(op) == "octave scales" for op in direct)
        network.put(name, scaled(network[name], np.where(peak > 0, peak, 1.0), octaves))
    contested = _contested(network)
    for step in ROUNDS:
        if step == "weights":
            share_weights(network)
            continue
        for name, _ in network:
            _share(network, name, step, ingredients.equal_products and name not in contested)
    for name, _ in reversed(list(network)):
        _level(network, name)


def share_weights(network: Network) -> None:
    """Raise scales, in place, of values that meet the same weights; rows that overlap, as frames of a recording, pass it on."""
    for name, _ in network:
        while _share(network, name, "weights"):
            pass


def _share(network: Network, name: str, step: Round, together: bool = True) -> bool:
    """Raise the scales of a node's operands to at least what the node's operation asks for in this round.

    Returns:
        Whether any scale was lower.
    """
    at = Position(network, name)
    wanted = shared(at.op, step, at, together)
    raised = False
    for operand, least in zip(network.nodes[name].inputs, wanted, strict=False):
        if least is not None:
            raised |= _raise_scale(network, operand, least)
    return raised


def _contested(network: Network) -> set[str]:
    """Products of which another one reads the same scales: those cannot vary along a head so that they fit both."""
    read: dict[str, np.ndarray] = {}
    operands: list[tuple[str, str, np.ndarray]] = []
    for name, node in network:
        if shared(node.op, "products", Position(network, name), False):
            for operand in node.inputs:
                origin, where = _coder(network, operand)[0], np.unique(places(network, operand))
                read.setdefault(origin, np.zeros(scale_of(network, origin).size, int))[where] += 1
                operands.append((name, origin, where))
    return {name for name, origin, where in operands if read[origin][where].max() > 1}


def _level(network: Network, name: str) -> None:
    """Raise scales that vary within a window of max pooling to the largest one there, until windows that overlap agree, too."""
    while _share(network, name, "fields"):
        pass


def observe_peaks(
    network: Network, samples: np.ndarray, batch: int, progress: Progress | None = None
) -> dict[str, np.ndarray]:
    """Evaluate a lowered network in real units on samples (N, *input), and observe what calibration has to know.

    Returns:
        By node that has something observed (:data:`processes.calibration.observed`), its measure's largest value over
        all samples, float64; for most neurons the largest magnitude by feature.
    """
    peaks: dict[str, np.ndarray] = {}
    labels = feature_labels(network)
    watched: dict[str, list[tuple[str, Callable[[torch.Tensor], np.ndarray]]]] = {}
    for name, node in network:
        asked: Observation | None = observed(node.op, labels[name].shape)
        if asked is not None:
            of = name if asked.of == "output" else node.inputs[0]
            watched.setdefault(of, []).append((name, asked.measure))

    def observe(name: str, op: Operation, result: Result) -> None:
        for asking, measure in watched.get(name, []):
            peaks[asking] = np.maximum(peaks.get(asking, -np.inf), measure(result.values))

    runner = ClosedForm(network, torch.float32, ideal=True)
    for part in slices(len(samples), batch, progress):
        runner.run(samples[part], telling(runner, part, len(samples), observe, progress))
    return peaks


def feature_labels(network: Network) -> dict[str, np.ndarray]:
    """By node, a number for each feature of its output, in the broadcast shape of a sample.

    Scales vary between features, never between tokens or pixels, which share weights. What a feature is follows from
    the synapses (output rows), from the operands of products, and through all wiring.
    """
    labels = {Network.INPUT: numbered(network.input_shape, 1 if len(network.input_shape) == 4 else -1)}
    for name, node in network:
        sources = [labels[source] for source in node.inputs]
        labels[name] = features(node.op, sources, node.inputs[0] == Network.INPUT)
    return labels


def scale_of(network: Network, name: str) -> np.ndarray:
    """Real value of a spike at k = 0 of the neurons behind ``name``, in the broadcast shape of its samples."""
    return Position(network, name).scale


def unit_of(network: Network, name: str) -> np.ndarray:
    """Real value of one unit of potential of ``name``: 1 but for products, whose operands' scales stay in it."""
    return Position(network, name).unit


def _raise_scale(network: Network, name: str, wanted: np.ndarray) -> bool:
    """Raise scales of the neurons behind ``name`` to at least ``wanted``, which broadcasts with the routed values.

    Returns:
        Whether any was lower.
    """
    origin, _ = _coder(network, name)
    scale, where = scale_of(network, origin), places(network, name)
    raised = scale.reshape(-1).copy()
    np.maximum.at(raised, where.reshape(-1), np.broadcast_to(wanted, where.shape).reshape(-1))
    if (raised == scale.reshape(-1)).all():
        return False
    network.put(origin, rescaled(network[origin], raised.reshape(scale.shape)))
    return True


def places(network: Network, name: str) -> np.ndarray:
    """For each value that comes from ``name``, past routes, the flat index of its scale among those of its neurons."""
    origin, passing = _coder(network, name)
    scale = scale_of(network, origin)
    index = torch.arange(scale.size, dtype=torch.float64).reshape(scale.shape).expand(network[origin].shape)
    for op in reversed(passing):
        index = picks(op, index)
    return index.numpy().astype(int)


def _coder(network: Network, name: str) -> tuple[str, list[Operation]]:
    """The node whose code the spikes from ``name`` are in, and the operations that pass them on, the last one first."""
    passing: list[Operation] = []
    while name != Network.INPUT and network[name].passes_on:
        passing.append(network[name])
        name = network.nodes[name].inputs[0]
    return name, passing
