"""How much of the outputs' error each coding site makes, for every way of coding it that is tried.

A site's coding errors e, seen through the gradients g of the outputs, move them by sum g e. The trained network is
evaluated once, with gradients (:mod:`converters.gradients`). Every candidate code is then judged on the stored
activations, without running the network again:

    error = sum importance * e^2,    importance = mean over probes of g^2

which takes errors of different values as independent. This is the diagonal of the Gauss-Newton matrix, as in optimal brain
damage. The weights of a softmax are not independent: those too small for the code are all missing, on one side. There

    error = sum over rows of the mean over probes of (sum g e)^2

Nor are errors where second spikes make large values exact: what is left is what small values lose, which shrinks a row as a
whole. There (``together``) what features make alone is scaled to what they make together.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np
import torch

from converters.gradients import probe
from processes.batches import Progress, slices
from processes.codebook import linear_pieces
from processes.network import Network, Woss
from processes.phase_code import PhaseCode, code_dtype
from processes.spikes import decode, silence_after

VALUES = 2**17  # of a site on which candidates are judged; rows beyond are left out at random
TINY = 1e-30


@dataclass(frozen=True)
class Site:
    """How the neurons of a firing node code.

    Attributes:
        base: B.
        spikes: most in a window.
        scale: factor on their calibrated scale.
        latest: last step at which a neuron that has fired does so again, by feature (scale) or one for all; None: any.
    """

    base: float
    spikes: int
    scale: float = 1.0
    latest: tuple[int, ...] | None = None


class Trial(NamedTuple):
    """A candidate, and what it gives if second spikes end at each of ``limits``.

    errors: squared output error on each half of the samples, by feature and limit, (1 or 2, features, limits); all
    features of a softmax are one. spikes: per sample, (features, limits).
    """

    site: Site
    limits: Sequence[int]
    errors: np.ndarray
    spikes: np.ndarray

    @property
    def error(self) -> np.ndarray:
        """On each half of the samples, with all second spikes, (1 or 2,)."""
        return self.errors[..., -1].sum(1)


@dataclass(frozen=True)
class Evidence:
    """What candidates for a site are judged by.

    Attributes:
        halves: of the samples: values (rows, features) in units of the calibrated scale, of a softmax (rows, keys), and
            gradients of the outputs (probes, rows, features or keys).
        share: of all values that these are.
        samples: in both halves.
        steps: T.
        race: whether it is softmax's, which fires at B^-(k + 1/2).
        together: whether features' errors are scaled to what they make together; of a softmax they always are.
    """

    halves: list[tuple[torch.Tensor, torch.Tensor]]
    share: float
    samples: int
    steps: int
    race: bool
    together: bool = False

    def trial(self, site: Site, limits: Sequence[int] = ()) -> Trial:
        """The candidate's errors and spikes; ``limits``, of two spikes, ascend to T - 1, which stands for no limit."""
        limits = limits or (self.steps - 1,)
        parts = [self._judge(half, site, limits) for half in range(len(self.halves))]
        errors, spikes = (np.stack(found) / self.share for found in zip(*parts, strict=True))
        return Trial(site, limits, errors, spikes.sum(0) / self.samples)

    @cached_property
    def _importance(self) -> list[torch.Tensor]:
        """Mean squared gradients of each half, (rows, features)."""
        return [gradients.square().mean(0) for _, gradients in self.halves]

    def _judge(self, half: int, site: Site, limits: Sequence[int]) -> tuple[np.ndarray, np.ndarray]:
        """Squared output error and number of spikes on a half of the samples, (features, limits)."""
        values, gradients = self.halves[half]
        codes = code_values(values, site, self.steps, self.race)
        before, after = (decoded(sent, site, self.steps, self.race).sub_(values) for sent in (codes[:1], codes))
        allowed = np.searchsorted(limits, np.arange(-1, self.steps)).clip(0, len(limits) - 1)  # by code
        since = torch.from_numpy(allowed)[codes[-1].abs().int()]  # the first limit under which a second spike comes

        def by_limit(first: torch.Tensor, gained: torch.Tensor) -> torch.Tensor:
            table = torch.zeros((len(limits), first.shape[-1]), dtype=torch.float64)
            return table.scatter_add_(0, since, gained.double()).cumsum(0).add_(first.sum(0)).T

        spikes = by_limit(codes[0] != 0, (codes[1:] != 0).sum(0)).numpy()
        if self.race:
            return _together(gradients, before, after, since, len(limits)), spikes.sum(0, keepdims=True)
        worse, better = (error.square().mul_(self._importance[half]) for error in (before, after))
        alone = by_limit(worse, better - worse).numpy()
        if not self.together:
            return alone, spikes
        return alone * (
            _together(gradients, before, after, since, len(limits)) / np.maximum(alone.sum(0), TINY)
        ), spikes


def _together(
    gradients: torch.Tensor, before: torch.Tensor, after: torch.Tensor, since: torch.Tensor, limits: int
) -> np.ndarray:
    """Squared output error that values make together, (1, limits), given their errors with one spike and with all."""
    moved = torch.zeros((*gradients.shape[:2], limits))
    moved.scatter_add_(-1, since.expand(gradients.shape), gradients * (after - before)).cumsum_(-1)
    return moved.add_((gradients * before).sum(-1, keepdim=True)).square_().mean(0).sum(0, keepdim=True).numpy()


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
        own = samples[half::2]
        for part in slices(len(own), batch):
            few = own[part]
            for name, rows, gradients in _gradients(network, few, rng):
                most = max(1, VALUES * len(few) // (len(samples) * rows.shape[-1]))
                if most < len(rows):
                    chosen = torch.from_numpy(rng.choice(len(rows), most, replace=False))
                    share[name] = most / len(rows)
                    rows, gradients = rows[chosen], gradients[:, chosen]
                kept.setdefault(name, [[], []])[half].append((rows, gradients))
            done += len(few)
            if progress is not None:
                progress(done, len(samples))
    joined = {
        name: [(torch.cat([v for v, _ in half]), torch.cat([g for _, g in half], -2)) for half in halves if half]
        for name, halves in kept.items()
    }
    return {
        name: Evidence(halves, share.get(name, 1.0), len(samples), steps, isinstance(network[name], Woss))
        for name, halves in joined.items()
    }


def _gradients(
    network: Network, x: np.ndarray, rng: np.random.Generator
) -> Iterator[tuple[str, torch.Tensor, torch.Tensor]]:
    """(name, values, gradients) of every firing node, as :class:`Evidence` holds them."""
    for name, y, gradients in probe(network, x, rng, lambda op: op.fires and not op.passes_on):
        scale = torch.tensor(network[name].scale).float()  # type: ignore[attr-defined]
        y, gradients = y / scale, gradients.mul_(scale)
        if isinstance(network[name], Woss):
            yield name, y.flatten(0, -2), gradients.flatten(1, -2)
        else:
            yield name, by_feature(y, scale.shape), torch.stack([by_feature(g, scale.shape) for g in gradients])


def by_feature(values: torch.Tensor, scale: tuple[int, ...]) -> torch.Tensor:
    """(N, *shape) as (rows, features), given the broadcast shape of what features differ in."""
    axes = [1 + axis for axis, size in enumerate(scale) if size > 1]
    return values.movedim(axes, list(range(-len(axes), 0))).reshape(-1, math.prod(scale))


def code_values(values: torch.Tensor, site: Site, steps: int, race: bool) -> torch.Tensor:
    """Codes (spikes, rows, D) of values (rows, D); of a ``race``, which fires at B^-(k + 1/2)."""
    code = PhaseCode(site.base, steps)
    m = code.midpoints
    first = code.levels * site.base**-0.5 if race else m
    parts = linear_pieces(np.stack([first, np.full_like(m, -np.inf), -first]), m, code.levels, site.spikes)
    ends = torch.from_numpy(parts.ends * (1.0 if race else site.scale)).float()
    codes = torch.from_numpy(parts.codes.astype(code_dtype(steps)))[:, torch.bucketize(values, ends)]
    if site.latest is not None:
        silence_after(codes, np.array(site.latest))
    return codes


def decoded(codes: torch.Tensor, site: Site, steps: int, race: bool) -> torch.Tensor:
    """What they stand for, (rows, D)."""
    return decode(codes, PhaseCode(site.base, steps).levels).mul_(1.0 if race else site.scale)
