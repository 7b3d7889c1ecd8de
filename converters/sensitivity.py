"""How much of the outputs' error each coding site makes, for every way of coding it that is tried.

A site's coding errors e, seen through the gradients g of the outputs, move them by sum g e. The trained network is
evaluated once, with gradients (:mod:`converters.gradients`). Every candidate code is then judged on the stored
activations, without running the network again:

    error = sum importance * e^2,    importance = mean over probes of g^2

Errors of different values are taken as independent (judging those of a token together, with their signs, chose no
better codes). This is the diagonal of the Gauss-Newton matrix, as in optimal brain damage.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch

from converters.gradients import squared_gradients
from converters.scales import Progress
from processes.codebook import linear_pieces
from processes.network import Network, Route, Woss
from processes.phase_code import PhaseCode

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


@dataclass(frozen=True)
class Evidence:
    """What candidates for a site are judged by.

    Attributes:
        halves: of the samples: values and their importance, (rows, D), in units of the calibrated scale.
        share: of all values that these are.
        samples: in both halves.
        steps: T.
        race: whether it is softmax's, which fires at B^-(k + 1/2).
    """

    halves: list[tuple[torch.Tensor, torch.Tensor]]
    share: float
    samples: int
    steps: int
    race: bool

    def trial(self, site: Site) -> Trial:
        """The candidate's error and spikes."""
        errors, fired = [], 0
        for values, importance in self.halves:
            coded, spikes = code_values(values, site, self.steps, self.race)
            errors.append(float(coded.sub_(values).square_().mul_(importance).sum()))
            fired += spikes
        return Trial(site, np.array(errors) / self.share, fired / self.share / self.samples)


def gather(
    network: Network, samples: np.ndarray, steps: int, batch: int = 8, progress: Progress | None = None
) -> dict[str, Evidence]:
    """Evidence on every firing node.

    Args:
        network: lowered, scales known, not folded.
        samples: calibration inputs (N, *input).
        steps: T.
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
    joined = {
        name: [(torch.cat([v for v, _ in half]), torch.cat([w for _, w in half])) for half in halves if half]
        for name, halves in kept.items()
    }
    return {
        name: Evidence(halves, share.get(name, 1.0), len(samples), steps, isinstance(network[name], Woss))
        for name, halves in joined.items()
    }


def _importance(
    network: Network, x: np.ndarray, rng: np.random.Generator
) -> list[tuple[str, torch.Tensor, torch.Tensor]]:
    """(name, values (N, *shape), importance (N, *shape)) of every firing node, in units of its scale."""
    found = []
    for name, y, squares in squared_gradients(network, x, rng, lambda op: op.fires and not isinstance(op, Route)):
        scale = torch.from_numpy(network[name].scale).float()  # type: ignore[attr-defined]
        found.append((name, y / scale, squares.mul_(scale).mul_(scale)))
    return found


def code_values(values: torch.Tensor, site: Site, steps: int, race: bool) -> tuple[torch.Tensor, int]:
    """What ``values`` (rows, D) decode to, and how many spikes that takes; of a ``race``, which fires at B^-(k + 1/2)."""
    code = PhaseCode(site.base, steps)
    m = code.midpoints
    first = code.levels * site.base**-0.5 if race else m
    parts = linear_pieces(np.stack([first, np.full_like(m, -np.inf), -first]), m, code.levels, site.spikes)
    worth = np.sign(parts.codes) * np.append(0, code.levels)[np.abs(parts.codes)]
    scale = 1.0 if race else site.scale
    where = torch.bucketize(values, torch.from_numpy(parts.ends * scale).float())
    coded = torch.from_numpy(worth.sum(0) * scale).float()[where]
    return coded, int(torch.from_numpy(np.count_nonzero(parts.codes, 0))[where].sum())
