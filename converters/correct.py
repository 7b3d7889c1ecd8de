"""Bias correction: what codes lose on average is given back by the biases of the synapses that read them.

The trained network and the spiking one are evaluated side by side, node after node, so that a synapse is corrected on what
really arrives at it, errors of the corrected nodes before it included. The mean difference of its potentials goes into its
bias, feature by feature, where the mean of each half of the samples lowers the other half's error; and all of it is undone
if the outputs of held-back samples do not gain. Nothing is trained.
Source: bias correction of quantised networks (Nagel et al., 2019), here for spike codes and with held-back samples.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType

import numpy as np
import torch

from converters.gradients import outputs_read, sample_axis
from evaluator.closed_form import ClosedForm
from evaluator.telling import telling
from processes.batches import Progress, joined, slices
from processes.calibration import weights
from processes.network import CalibratedNetwork, Network
from processes.synapse import Synapse

SAMPLES = 64  # of the calibration set that biases come from: activations of live nodes are held in memory together
HELD_BACK = 32  # others, on which the outputs have to be better


@torch.no_grad()
def correct_biases(
    ideal: Network,
    spiking: CalibratedNetwork,
    samples: np.ndarray,
    importance: Mapping[str, np.ndarray] = MappingProxyType({}),
    batch: int = 32,
    progress: Progress | None = None,
) -> tuple[CalibratedNetwork, dict[str, float]]:
    """The network with corrected biases of dense synapses and convolutions, if that lowers the error of held-back samples.

    Args:
        ideal: lowered, without codes.
        spiking: the same nodes, encoded, floating point; left as it is.
        samples: calibration inputs (N, *input).
        importance: of rows of synapses, (N, rows), from :func:`converters.gradients.row_importance`.
        batch: samples evaluated together.
        progress: called with (done, in all), of nodes that are corrected and then of samples that judge, twice.

    Returns:
        The network, and by synapse the share of its squared error that was its mean and is gone; ``spiking`` itself and
        nothing where corrections do not help, or there are no samples to tell by.
    """
    held, few = hold_back(len(samples))
    if not len(held):
        return spiking, {}
    corrected = spiking.copy()
    nodes, *judged = joined(progress, len(ideal.nodes), len(held), len(held))
    gained = _correct(ideal, corrected, samples, few, importance, batch, nodes)
    before, after = (
        output_error(ideal, network, samples[held], batch, told)
        for network, told in zip((spiking, corrected), judged, strict=True)
    )
    return (corrected, gained) if after < before else (spiking, {})


def hold_back(samples: int) -> tuple[np.ndarray, np.ndarray]:
    """Which of so many samples judge a correction, none of a single one, and which others it comes from."""
    order = np.random.default_rng(0).permutation(samples)
    held = order[: min(HELD_BACK, samples // 2)]
    return held, np.sort(order[len(held) : len(held) + SAMPLES])


@torch.no_grad()
def output_error(
    ideal: Network, spiking: Network, samples: np.ndarray, batch: int = 32, progress: Progress | None = None
) -> float:
    """Sum of squared differences of the outputs that are read, in the model's units."""
    wanted, found = ClosedForm(ideal, ideal=True), ClosedForm(spiking)
    total = 0.0
    for part in slices(len(samples), batch, progress):
        x = samples[part]
        out = wanted.run(x)
        sent = found.run(x, telling(found, part, len(samples), None, progress))
        total += float((found.real(sent) - out).mul_(outputs_read(ideal, wanted.encode(x), out.shape)).square_().sum())
    return total


def _correct(
    ideal: Network,
    spiking: Network,
    samples: np.ndarray,
    few: np.ndarray,
    importance: Mapping[str, np.ndarray],
    batch: int,
    progress: Progress | None,
) -> dict[str, float]:
    """Correct ``spiking`` in place, on samples ``few``."""
    parts = [few[part] for part in slices(len(few), batch)]
    wanted = {Network.INPUT: [ClosedForm(ideal, ideal=True).encode(samples[part]) for part in parts]}
    found = dict(wanted)
    last_use = {source: name for name, node in ideal for source in node.inputs}
    gained: dict[str, float] = {}
    for number, (name, node) in enumerate(ideal):
        op = spiking[name]
        wanted[name] = [node.op.ideal(*x) for x in zip(*(wanted[i] for i in node.inputs), strict=True)]
        arriving = list(zip(*(found[i] for i in node.inputs), strict=True))
        found[name] = [op.closed_form(*x).values for x in arriving]
        if weights(op) == "shared":
            assert isinstance(op, Synapse)
            weight = [importance[name][part] if name in importance else None for part in parts]
            missing, gained[name] = _missing(op, wanted[name], found[name], weight)
            op = replace(op, bias=op.bias + missing)
            spiking.put(name, op)
            found[name] = [op.closed_form(*x).values for x in arriving]
        for source in dict.fromkeys(node.inputs):
            if last_use[source] == name:
                del wanted[source], found[source]
        if progress is not None:
            progress(number + 1, len(ideal.nodes))
    return gained


def _missing(
    op: Synapse, wanted: list[torch.Tensor], found: list[torch.Tensor], importance: list[np.ndarray | None]
) -> tuple[np.ndarray, float]:
    """What to add to the bias (out,), and the share of the squared error that this removes."""
    features = sample_axis(op, wanted[0].ndim)
    sums, squares, counts = [0.0, 0.0], 0.0, [0.0, 0.0]
    for x, y, rows in zip(wanted, found, importance, strict=True):
        error = (x - y).movedim(features, -1).flatten(1, -2).double()  # (N, rows, features)
        weight = torch.ones(error.shape[:2]) if rows is None else torch.from_numpy(rows)
        weight = weight.to(error.device)
        weighted = error * weight[..., None]
        squares += float((weighted * error).sum())
        for half in (0, 1):
            sums[half] = sums[half] + weighted[half::2].sum((0, 1)).cpu().numpy()
            counts[half] += float(weight[half::2].sum())
    if not all(counts):
        return np.zeros(len(op.weight)), 0.0
    first, second = (total / count for total, count in zip(sums, counts, strict=True))
    helps = 4 * first * second > first**2 + second**2  # each half's mean lowers the other's squared error, on the whole
    missing = np.where(helps, (first + second) / 2, 0.0)
    return missing, float((missing**2).sum() * sum(counts) / max(squares, 1e-30))
