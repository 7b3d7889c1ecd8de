"""How much of the outputs' error each coding site makes, for every way of coding it that is tried.

A site's coding errors e, seen through the gradients g of the outputs, move them by sum g e. The trained network is
evaluated once, with gradients of random sums of its outputs (Rademacher probes: the mean square of such a sum is the sum
of squares). Every candidate code is then judged on the stored activations, without running the network again:

    error = sum importance * e^2,    importance = mean over probes of g^2

Errors of different values are taken as independent (judging those of a token together, with their signs, chose no
better codes). This is the diagonal of the Gauss-Newton matrix, as in optimal brain damage.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch

from converters.scales import Progress
from processes.codebook import linear_codebook
from processes.network import Network, Route, Woss
from processes.operation import Operation
from processes.phase_code import PhaseCode
from processes.spikes import decode, empty_codes
from targets.closed_form import ClosedForm

PROBES = 2
SOFTMAX_SPIKES = 2  # at the most: a third would need thresholds by two steps
VALUES = 2**17  # of a site on which candidates are judged; rows beyond are left out at random


@dataclass(frozen=True)
class Site:
    """How the neurons of a firing node code: base, most spikes in a window, factor on their calibrated scale."""

    base: float
    spikes: int
    scale: float = 1.0


class Trial(NamedTuple):
    """A candidate, its squared output error on each half of the samples (1 or 2,), and its spikes per sample."""

    site: Site
    error: np.ndarray
    spikes: float


def measure(
    network: Network,
    samples: np.ndarray,
    steps: int,
    candidates: Callable[[str], Sequence[Site]],
    batch: int = 8,
    progress: Progress | None = None,
) -> dict[str, list[Trial]]:
    """Trials of every firing node.

    Args:
        network: lowered, scales known, not folded.
        samples: calibration inputs (N, *input).
        steps: T.
        candidates: what to try at a node.
        batch: samples evaluated together, which bounds the memory that gradients take.
        progress: called with (samples done, samples in all).
    """
    rng = np.random.default_rng(0)
    kept: dict[str, list[list[tuple[torch.Tensor, torch.Tensor]]]] = {}
    share: dict[str, float] = {}
    done = 0
    for half in (0, 1):
        part = samples[half::2]
        for start in range(0, len(part), batch):
            few = part[start : start + batch]
            for name, y, importance in _importance(network, few, rng):
                rows, weights = y.flatten(0, -2), importance.flatten(0, -2)
                most = max(1, VALUES * len(few) // (len(samples) * rows.shape[-1]))
                if most < len(rows):
                    chosen = torch.from_numpy(rng.choice(len(rows), most, replace=False))
                    share[name] = most / len(rows)
                    rows, weights = rows[chosen], weights[chosen]
                kept.setdefault(name, [[], []])[half].append((rows, weights))
            done += len(few)
            if progress is not None:
                progress(done, len(samples))
    trials: dict[str, list[Trial]] = {}
    for name, halves in kept.items():
        joined = [tuple(torch.cat(parts) for parts in zip(*half, strict=True)) for half in halves if half]
        trials[name] = [
            _trial(site, steps, isinstance(network[name], Woss), joined, share.get(name, 1.0), len(samples))
            for site in candidates(name)
        ]
    return trials


def _importance(
    network: Network, x: np.ndarray, rng: np.random.Generator
) -> list[tuple[str, torch.Tensor, torch.Tensor]]:
    """(name, values (N, *shape), importance (N, *shape)) of every firing node, in units of its scale."""
    values: dict[str, torch.Tensor] = {}

    def keep(name: str, op: Operation, y: torch.Tensor) -> torch.Tensor | None:
        if not op.fires or isinstance(op, Route):
            return None
        values[name] = y.view_as(y)  # a neuron that codes its input as it is has gradients of its own
        return values[name]

    with torch.enable_grad():
        graded = torch.as_tensor(x, dtype=torch.float32).clone().requires_grad_()
        out = ClosedForm(network, ideal=True).differentiable(graded, keep)
        gradients = []
        for _ in range(PROBES):
            signs = torch.from_numpy((2 * rng.integers(0, 2, out.shape) - 1).astype(np.float32))
            gradients.append(
                torch.autograd.grad(out, list(values.values()), signs, retain_graph=True, materialize_grads=True)
            )
    found = []
    for (name, y), *g in zip(values.items(), *gradients, strict=True):
        scale = torch.from_numpy(network[name].scale).float()  # type: ignore[attr-defined]
        found.append((name, y.detach() / scale, torch.stack(g).mul_(scale).square_().mean(0)))
    return found


def _trial(
    site: Site, steps: int, race: bool, halves: list[tuple[torch.Tensor, ...]], share: float, samples: int
) -> Trial:
    """The candidate on a share of the values and their importance (rows, D), in units of the calibrated scale."""
    errors, fired = [], 0
    for values, importance in halves:
        coded, spikes = code_values(values, site, steps, race)
        errors.append(float(coded.sub_(values).square_().mul_(importance).sum()))
        fired += spikes
    return Trial(site, np.array(errors) / share, fired / share / samples)


def code_values(values: torch.Tensor, site: Site, steps: int, race: bool) -> tuple[torch.Tensor, int]:
    """What ``values`` (rows, D) decode to, and how many spikes that takes; of a ``race``, which fires at B^-(k + 1/2)."""
    code = PhaseCode(site.base, steps)
    factor = code.midpoints[0] * site.base**0.5 if race else 1 / site.scale
    r = values * float(factor)
    codes = empty_codes(site.spikes, r, steps)
    axes, book = (1, 1, r.shape[-1]), linear_codebook(code)
    book.codes(r, np.zeros(1, np.int32), axes, codes[0])
    if len(codes) > 1:
        book.further(values if race else r, code.levels, axes, codes)
    return decode(codes, code.levels).mul_(1.0 if race else site.scale), int(codes.count_nonzero())
