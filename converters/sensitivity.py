"""How much of the outputs' error each coding site makes, for every way of coding it that is tried.

A site's coding errors e, seen through the gradients g of the outputs, move them by sum g e. The trained network is
evaluated once, with gradients (:mod:`converters.gradients`). Every candidate code is then judged on the stored
activations, without running the network again:

    error = sum importance * e^2,    importance = mean over probes of g^2

which takes errors of different values as independent. This is the diagonal of the Gauss-Newton matrix, as in optimal brain
damage. The weights of a softmax are not independent: those too small for the code are all missing, on one side. There

    error = sum over rows of the mean over probes of (sum g e)^2

Values that unseen samples have may be larger than any calibrated one, above all those of gates, which multiply two ranges. A
site's halves may be *crossed*: each is judged in units of what the other half's largest values set, feature by feature, so that
clipping of unseen values has its price and headroom can be chosen against it.

Nor are errors where second spikes make large values exact: what is left is what small values lose, which shrinks a row as a
whole. There (``together``) what features make alone is scaled to what they make together.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
import torch

from processes.codebook import linear_intervals
from processes.kernels import judged as judge
from processes.phase_code import PhaseCode, code_dtype
from processes.spikes import silence_after

TINY = 1e-30


@dataclass(frozen=True)
class SiteCode:
    """How the neurons of a firing node code.

    Attributes:
        base: B.
        spikes: most in a window.
        scale: factor on their calibrated scale.
        latest: last step at which a neuron that has fired does so again, by feature (scale) or one for all; None: any.
        steps: T of its window; None for the T that the network's windows have in common.
    """

    base: float
    spikes: int
    scale: float = 1.0
    latest: tuple[int, ...] | None = None
    steps: int | None = None


class Trial(NamedTuple):
    """A candidate, and what it gives if second spikes end at each of ``limits``.

    errors: squared output error on each half of the samples, by feature and limit, (1 or 2, features, limits); all
    features of a softmax are one. spikes: per sample, (features, limits).
    """

    site: SiteCode
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
        orders: by half, where its values come from in ascending order, int32, once somebody has asked: the same for all T.
    """

    halves: list[tuple[torch.Tensor, torch.Tensor]]
    share: float
    samples: int
    steps: int
    race: bool
    together: bool = False
    orders: dict[int, torch.Tensor] = field(default_factory=dict, repr=False, compare=False)

    def trial(self, site: SiteCode, limits: Sequence[int] = ()) -> Trial:
        """The candidate's errors and spikes; ``limits``, of two spikes, ascend to T - 1, which stands for no limit."""
        return self.trials([site], limits)[0]

    def trials(self, sites: Sequence[SiteCode], limits: Sequence[int] = ()) -> list[Trial]:
        """Those of several candidates, by whose order nothing changes."""
        limits = limits or (self.steps - 1,)
        found = [[half.judged(site, limits) for site in sites] for half in map(self._sorted, range(len(self.halves)))]
        trials = []
        for site, parts in zip(sites, zip(*found, strict=True), strict=True):
            errors, spikes = (np.stack(part) / self.share for part in zip(*parts, strict=True))
            trials.append(Trial(site, limits, errors, spikes.sum(0) / self.samples))
        return trials

    def _sorted(self, half: int) -> Sorted:
        """A half of the samples in the order of their values."""
        values, gradients = self.halves[half]
        if half not in self.orders:
            self.orders[half] = values.reshape(-1).argsort().int()
        order = self.orders[half].long()
        flat = values.reshape(-1)[order]
        rows, features = order.div(values.shape[1], rounding_mode="floor").int(), order.remainder(values.shape[1]).int()
        shape = (len(gradients), *values.shape)
        weights = None if self.race else gradients.square().mean(0).reshape(-1)[order].cpu().numpy()
        seen = gradients.reshape(len(gradients), -1)[:, order].cpu().numpy() if self.race or self.together else None
        return Sorted(
            flat.cpu().numpy(), rows.cpu().numpy(), features.cpu().numpy(), weights, seen, shape, self.steps, self.race
        )


@dataclass(frozen=True)
class Sorted:
    """Values in ascending order, and where they come from.

    Attributes:
        values, rows, features: (n,).
        weights: mean squared gradients (n,); None of a softmax.
        gradients: (probes, n), where errors are seen together; else None.
        shape: (probes, rows, features).
        steps, race: as of :class:`Evidence`.
    """

    values: np.ndarray
    rows: np.ndarray
    features: np.ndarray
    weights: np.ndarray | None
    gradients: np.ndarray | None
    shape: tuple[int, ...]
    steps: int
    race: bool

    def judged(self, site: SiteCode, limits: Sequence[int]) -> tuple[np.ndarray, np.ndarray]:
        """Squared output error and number of spikes, (features, limits); all features of a softmax are one."""
        ends, codes = intervals_of(site, self.steps, self.race)
        bounds = np.append(np.searchsorted(self.values, ends, "right"), len(self.values))
        before, after = values_of(codes, site, self.steps, self.race)
        allowed = np.searchsorted(limits, np.arange(-1, self.steps)).clip(0, len(limits) - 1)  # by code
        since = allowed[np.abs(codes[-1].astype(int))]  # the first limit under which a second spike comes
        fired = (codes != 0).astype(np.int64)
        probes, rows, features = self.shape
        spikes = np.zeros((features, 1 + len(limits)), np.int64)
        judge.counts_by_feature(self.features, bounds, fired[0], fired[1:].sum(0), since, spikes)
        spikes = _by_limit(spikes)
        together = None
        if self.gradients is not None:
            moved = np.zeros((probes, rows, 1 + len(limits)))
            judge.errors_by_row(self.values, self.gradients, self.rows, bounds, before, after, since, moved)
            together = np.square(_by_limit(moved)).mean(0).sum(0, keepdims=True)
        if self.weights is None:
            assert together is not None
            return together, spikes.sum(0, keepdims=True)
        alone = np.zeros((features, 1 + len(limits)))
        judge.errors_by_feature(self.values, self.weights, self.features, bounds, before, after, since, alone)
        alone = _by_limit(alone)
        if together is not None:  # errors that values make together, shared as those that they make alone
            alone *= together / np.maximum(alone.sum(0), TINY)
        return alone, spikes


def _by_limit(table: np.ndarray) -> np.ndarray:
    """(..., limits) of what first spikes make, and what others add by limit, (..., 1 + limits)."""
    return table[..., :1] + table[..., 1:].cumsum(-1)


def intervals_of(site: SiteCode, steps: int, race: bool) -> tuple[np.ndarray, np.ndarray]:
    """Ends (n,) float32 of the intervals between which values have one code, and codes (spikes, n + 1).

    A ``race`` fires at B^-(k + 1/2).
    """
    code = PhaseCode(site.base, steps)
    m = code.midpoints
    first = code.levels * site.base**-0.5 if race else m
    parts = linear_intervals(np.stack([first, np.full_like(m, -np.inf), -first]), m, code.levels, site.spikes)
    codes = parts.codes.astype(code_dtype(steps))
    if site.latest is not None:
        silence_after(torch.from_numpy(codes), np.array(site.latest))
    return (parts.ends * (1.0 if race else site.scale)).astype(np.float32), codes


def values_of(codes: np.ndarray, site: SiteCode, steps: int, race: bool) -> tuple[np.ndarray, np.ndarray]:
    """What intervals' codes (spikes, n) stand for with their first spike and with all, float32 (n,)."""
    levels = np.append(np.float32(0), PhaseCode(site.base, steps).levels.astype(np.float32))
    each = np.sign(codes) * levels[np.abs(codes.astype(int))]
    factor = np.float32(1.0 if race else site.scale)
    return each[0] * factor, each.sum(0, dtype=np.float32) * factor
