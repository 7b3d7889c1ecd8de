"""Bias correction: what codes lose on average is given back by the biases of the synapses that read them.

The trained network and the spiking one are evaluated side by side, node after node, so that a synapse is corrected on what
really arrives at it, errors of the corrected nodes before it included. The mean difference of its potentials goes into its
bias, feature by feature, where the mean of each half of the samples lowers the other half's error. Nothing is trained.
Source: bias correction of quantised networks (Nagel et al., 2019), here for spike codes and with held-back samples.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

import numpy as np
import torch

from converters.scales import Progress
from processes.network import ConvSynapse, DenseSynapse, Network, Synapse
from targets.closed_form import ClosedForm

SAMPLES = 64  # of the calibration set: their activations are held in memory together, live nodes only


@torch.no_grad()
def correct_biases(
    ideal: Network,
    spiking: Network,
    samples: np.ndarray,
    importance: Mapping[str, np.ndarray] = MappingProxyType({}),
    batch: int = 32,
    progress: Progress | None = None,
) -> dict[str, float]:
    """Correct the biases of dense synapses and convolutions, in place.

    Args:
        ideal: lowered, without codes.
        spiking: the same nodes, encoded, floating point; its biases change.
        samples: calibration inputs (N, *input).
        importance: of rows of synapses, (N, rows), from :func:`converters.gradients.row_importance`.
        batch: samples evaluated together.
        progress: called with (nodes done, nodes in all).

    Returns:
        By synapse, the share of its squared error that was its mean and is gone.
    """
    few = np.unique(np.linspace(0, len(samples) - 1, SAMPLES).astype(int))
    parts = [few[start : start + batch] for start in range(0, len(few), batch)]
    wanted = {Network.INPUT: [ClosedForm(ideal, ideal=True).encode(samples[part]) for part in parts]}
    found = dict(wanted)
    last_use = {source: name for name, node in ideal for source in node.inputs}
    gained: dict[str, float] = {}
    for number, (name, node) in enumerate(ideal):
        op = spiking[name]
        wanted[name] = [node.op.ideal(*x) for x in zip(*(wanted[i] for i in node.inputs), strict=True)]
        arriving = list(zip(*(found[i] for i in node.inputs), strict=True))
        found[name] = [op.closed_form(*x) for x in arriving]
        if isinstance(op, DenseSynapse | ConvSynapse):
            weight = [importance[name][part] if name in importance else None for part in parts]
            missing, gained[name] = _missing(op, wanted[name], found[name], weight)
            op.bias = op.bias + missing
            found[name] = [op.closed_form(*x) for x in arriving]
        for source in node.inputs:
            if last_use[source] == name:
                del wanted[source], found[source]
        if progress is not None:
            progress(number + 1, len(ideal.nodes))
    return gained


def _missing(
    op: Synapse, wanted: list[torch.Tensor], found: list[torch.Tensor], importance: list[np.ndarray | None]
) -> tuple[np.ndarray, float]:
    """What to add to the bias (out,), and the share of the squared error that this removes."""
    features = 2 if isinstance(op, ConvSynapse) else wanted[0].ndim - 1
    sums, squares, counts = [0.0, 0.0], 0.0, [0.0, 0.0]
    for x, y, rows in zip(wanted, found, importance, strict=True):
        error = (x - y).movedim(features, -1).flatten(1, -2).double()  # (N, rows, features)
        weight = torch.ones(error.shape[:2]) if rows is None else torch.from_numpy(rows)
        weighted = error * weight[..., None]
        squares += float((weighted * error).sum())
        for half in (0, 1):
            sums[half] = sums[half] + weighted[half::2].sum((0, 1)).numpy()
            counts[half] += float(weight[half::2].sum())
    if not all(counts):
        return np.zeros(len(op.weight)), 0.0
    first, second = (total / count for total, count in zip(sums, counts, strict=True))
    helps = 4 * first * second > first**2 + second**2  # each half's mean lowers the other's squared error, on the whole
    missing = np.where(helps, (first + second) / 2, 0.0)
    return missing, float((missing**2).sum() * sum(counts) / max(squares, 1e-30))
