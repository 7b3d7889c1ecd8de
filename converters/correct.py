"""Bias correction: what codes lose on average is given back by the biases of the synapses that read them.

The trained network and the spiking one are evaluated side by side, node after node, so that a synapse is corrected on what
really arrives at it, errors of the corrected nodes before it included. The mean difference of its potentials goes into its
bias, feature by feature, where the mean of each half of the samples lowers the other half's error; and all of it is undone
if the outputs of held-back samples do not gain. Nothing is trained.
Source: bias correction of quantised networks (Nagel et al., 2019), here for spike codes and with held-back samples.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType

import numpy as np
import torch

from converters.gradients import outputs_read, sample_axis
from evaluator.closed_form import ClosedForm
from evaluator.telling import telling
from processes.batches import Progress, joined, slices
from processes.calibration import weights
from processes.memory import NODES, give_back
from processes.network import CalibratedNetwork, Network
from processes.synapse import Synapse

SAMPLES = 64  # most calibration samples that biases come from: live nodes' activations of all of them are in memory
ROOM = 2**23  # most values whose errors are held at a time, in float64
HELD_BACK = 32  # most other samples, on which the outputs have to become better


@torch.no_grad()
def correct_biases(
    ideal: Network,
    spiking: CalibratedNetwork,
    samples: np.ndarray,
    importance: Mapping[str, np.ndarray] = MappingProxyType({}),
    batch: int = 32,
    progress: Progress | None = None,
) -> tuple[CalibratedNetwork, dict[str, float]]:
    """Correct the biases of dense synapses and convolutions, if that lowers the outputs' error on held-back samples.

    Args:
        ideal: lowered, without codes.
        spiking: the same nodes, encoded, floating point; left as it is.
        samples: calibration inputs (N, *input).
        importance: of rows of synapses, (N, rows), from :func:`converters.evidence.gather`.
        batch: samples evaluated together.
        progress: called with (done, in all), of nodes that are corrected and then of samples that judge both networks.

    Returns:
        The corrected network, and by synapse the share of its squared error that the correction removes; ``spiking``
        itself and an empty dict where corrections do not help, or no samples can be held back.
    """
    held, few = hold_back(len(samples))
    if not len(held):
        return spiking, {}
    corrected = spiking.copy()
    nodes, judged = joined(progress, len(ideal.nodes), 2 * len(held))
    gained = _correct(ideal, corrected, samples, few, importance, batch, nodes)
    before, after = output_errors(ideal, (spiking, corrected), samples[held], batch, judged)
    return (corrected, gained) if after < before else (spiking, {})


def hold_back(samples: int) -> tuple[np.ndarray, np.ndarray]:
    """Indices of samples that judge a correction, and indices of the others that it is estimated from, ascending.

    At most half of the samples are held back to judge; of a single sample none is.
    """
    order = np.random.default_rng(0).permutation(samples)
    held = order[: min(HELD_BACK, samples // 2)]
    return held, np.sort(order[len(held) : len(held) + SAMPLES])


@torch.no_grad()
def output_errors(
    ideal: Network,
    spiking: Sequence[Network],
    samples: np.ndarray,
    batch: int = 32,
    progress: Progress | None = None,
) -> list[float]:
    """Squared error of each spiking network's outputs, summed over samples (N, *input), in the model's units.

    Outputs of padding tokens do not count (:func:`converters.gradients.outputs_read`).

    Args:
        ideal: lowered, without codes: its outputs are the right ones.
        spiking: networks with codes.
        samples: inputs.
        batch: samples evaluated together.
        progress: called with (done, in all), of the samples of every network.
    """
    wanted, found = ClosedForm(ideal, ideal=True), [ClosedForm(network) for network in spiking]
    totals, told = [0.0] * len(found), joined(progress, *[len(samples)] * len(found))
    for part in slices(len(samples), batch):
        x = samples[part]
        out = wanted.run(x)
        read = outputs_read(ideal, wanted.encode(x), out.shape)
        for n, runner in enumerate(found):
            sent = runner.run(x, telling(runner, part, len(samples), None, told[n]))
            totals[n] += float((runner.real(sent) - out).mul_(read).square_().sum())
            if (tell := told[n]) is not None:
                tell(part.stop, len(samples))
        give_back()
    return totals


def _correct(
    ideal: Network,
    spiking: Network,
    samples: np.ndarray,
    few: np.ndarray,
    importance: Mapping[str, np.ndarray],
    batch: int,
    progress: Progress | None,
) -> dict[str, float]:
    """Correct biases of ``spiking`` in place on the samples ``few``; returns the removed share of error by synapse."""
    parts = [few[part] for part in slices(len(few), batch)]
    wanted = {Network.INPUT: [ClosedForm(ideal, ideal=True).encode(samples[part]) for part in parts]}
    found = dict(wanted)
    last_use = {source: name for name, node in ideal for source in node.inputs}
    gained: dict[str, float] = {}
    for number, (name, node) in enumerate(ideal):
        op = spiking[name]
        right = (node.op.ideal(*x) for x in zip(*(wanted[i] for i in node.inputs), strict=True))
        made = (op.closed_form(*x).values for x in zip(*(found[i] for i in node.inputs), strict=True))
        if name in last_use:  # what no node reads is not held: a language model's logits take gigabytes
            right, made = wanted[name], found[name] = list(right), list(made)
        if weights(op) == "shared":
            assert isinstance(op, Synapse)
            weight = [importance[name][part] if name in importance else None for part in parts]
            missing, gained[name] = _missing(op, right, made, weight)
            spiking.put(name, replace(op, bias=op.bias + missing))
            if name in last_use:
                found[name] = [replace(op, bias=missing).with_bias(y) for y in found[name]]
        for source in dict.fromkeys(node.inputs):
            if last_use[source] == name:
                del wanted[source], found[source]
        if number % NODES == 0:
            give_back()
        if progress is not None:
            progress(number + 1, len(ideal.nodes))
    return gained


def _missing(
    op: Synapse, wanted: Iterable[torch.Tensor], found: Iterable[torch.Tensor], importance: list[np.ndarray | None]
) -> tuple[np.ndarray, float]:
    """What to add to a synapse's bias (out,), and the share of its squared error that this removes.

    ``wanted``, ``found``: its right and its actual potentials (N, *shape) by batch; ``importance``: (N, rows) likewise.
    """
    sums, squares, counts = [0.0, 0.0], 0.0, [0.0, 0.0]
    for x, y, rows in zip(wanted, found, importance, strict=True):
        features = sample_axis(op, x.ndim)
        together = 2 * max(1, ROOM // (2 * x[0].numel()))  # even, so that halves take turns
        for part in slices(len(x), together):
            error = (x[part] - y[part]).movedim(features, -1).flatten(1, -2).double()  # (N, rows, features)
            weight = torch.ones(error.shape[:2]) if rows is None else torch.from_numpy(rows[part])
            weight = weight.to(error.device).double()[:, None]
            own = (weight @ error)[:, 0]
            squares += float((weight @ error.square_()).sum())
            for half in (0, 1):
                sums[half] = sums[half] + own[half::2].sum(0).cpu().numpy()
                counts[half] += float(weight[half::2].sum())
    if not all(counts):
        return np.zeros(len(op.weight)), 0.0
    first, second = (total / count for total, count in zip(sums, counts, strict=True))
    helps = 4 * first * second > first**2 + second**2  # each half's mean lowers the other's squared error, on the whole
    missing = np.where(helps, (first + second) / 2, 0.0)
    return missing, float((missing**2).sum() * sum(counts) / max(squares, 1e-30))
