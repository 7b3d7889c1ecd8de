"""How much of the outputs' error each coding site (firing node) makes, for every way of coding it that is tried.

A site's coding errors e move the outputs by sum g e, g being the gradients of the outputs there. The trained network is
evaluated once, with gradients (:mod:`converters.gradients`). Every candidate code is then judged on the stored
activations, without running the network again:

    error = sum importance * e^2,    importance = mean over probes of g^2

which takes errors of different values as independent. This is the diagonal of the Gauss-Newton matrix, as in optimal brain
damage. Errors of a softmax's weights are not independent: weights too small for the code are all missing. There

    error = sum over rows of the mean over probes of (sum g e)^2

Values of unseen samples may be larger than any calibrated one, above all those of gates, which multiply two ranges. The
two halves of a site's samples may be *crossed*: each half is judged in units of the other half's largest values,
feature by feature, so that clipping of unseen values has its price and headroom can be chosen against it.

Errors are not independent either where second spikes make large values exact: what is left is what small values lose,
which shrinks a row as a whole. There (``together``) the errors of single features are scaled to what all features make
together.
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
    """The code of a firing node's neurons.

    Attributes:
        base: B.
        spikes: most spikes of a neuron in a window.
        scale: factor on the calibrated scale.
        latest: last step at which a neuron that has fired may fire again, by feature (scale) or one for all; None: any
            step.
        steps: T of the node's window; None for the T that the network's windows have in common.
    """

    base: float
    spikes: int
    scale: float = 1.0
    latest: tuple[int, ...] | None = None
    steps: int | None = None


class Trial(NamedTuple):
    """A candidate code, judged for several last steps of second spikes.

    Attributes:
        site: the candidate.
        limits: last steps of second spikes, ascending to T - 1, which stands for no limit.
        errors: squared output error on each half of the samples, (1 or 2, features, limits); a softmax counts as one
            feature.
        spikes: spikes per sample, (features, limits).
    """

    site: SiteCode
    limits: Sequence[int]
    errors: np.ndarray
    spikes: np.ndarray

    @property
    def error(self) -> np.ndarray:
        """Squared output error of all features without a limit, on each half of the samples, (1 or 2,)."""
        return self.errors[..., -1].sum(1)


@dataclass(frozen=True)
class Evidence:
    """The values and gradients by which candidate codes for a site are judged.

    Attributes:
        halves: for each half of the samples, values (rows, features) in units of the calibrated scale, of a softmax
            (rows, keys), and gradients of the outputs (probes, rows, features or keys).
        share: the share of all the site's values that is kept here.
        samples: number of samples in both halves.
        steps: T.
        race: whether the site is a softmax (WOSS), which fires at B^-(k + 1/2).
        together: whether errors of features are scaled to what they make together; errors of a softmax are always
            judged together.
        orders: by half, the indices that sort its flat values, int32, filled when first needed; the same for all T.
    """

    halves: list[tuple[torch.Tensor, torch.Tensor]]
    share: float
    samples: int
    steps: int
    race: bool
    together: bool = False
    orders: dict[int, torch.Tensor] = field(default_factory=dict, repr=False, compare=False)

    def trial(self, site: SiteCode, limits: Sequence[int] = ()) -> Trial:
        """Errors and spikes of one candidate; arguments as for :meth:`trials`."""
        return self.trials([site], limits)[0]

    def trials(self, sites: Sequence[SiteCode], limits: Sequence[int] = ()) -> list[Trial]:
        """Errors and spikes of several candidates, in their order; each is judged by itself.

        ``limits``: last steps of second spikes that are judged, ascending to T - 1, which stands for no limit; without
        them there is no limit.
        """
        limits = limits or (self.steps - 1,)
        found = [[half.judged(site, limits) for site in sites] for half in map(self._sorted, range(len(self.halves)))]
        trials = []
        for site, parts in zip(sites, zip(*found, strict=True), strict=True):
            errors, spikes = (np.stack(part) / self.share for part in zip(*parts, strict=True))
            trials.append(Trial(site, limits, errors, spikes.sum(0) / self.samples))
        return trials

    def _sorted(self, half: int) -> Sorted:
        """One half of the samples, its values in ascending order."""
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
    """Values of one half of the samples in ascending order, and where each of them comes from.

    Attributes:
        values: float32 (n,), n = rows * features.
        rows, features: the row and the feature of each value, int32 (n,).
        weights: squared gradients, mean over probes, (n,); None for a softmax.
        gradients: (probes, n), where errors are judged together; else None.
        shape: (probes, rows, features).
        steps: T.
        race: whether the values are those of a softmax.
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
        """Squared output error and number of spikes, each (features, limits); a softmax counts as one feature."""
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
    """Totals by limit (..., limits) of (..., 1 + limits): what first spikes make, then what others add by limit."""
    return table[..., :1] + table[..., 1:].cumsum(-1)


def intervals_of(site: SiteCode, steps: int, race: bool) -> tuple[np.ndarray, np.ndarray]:
    """Ends (n,) float32 of the intervals of values that have one code each, and these codes (spikes, n + 1).

    Values are in units of the calibrated scale. Thresholds are the midpoints m_k, or B^-(k + 1/2) of a ``race``.
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
    """Decoded values of codes (spikes, n): with the first spike alone, and with all spikes, each float32 (n,)."""
    levels = np.append(np.float32(0), PhaseCode(site.base, steps).levels.astype(np.float32))
    each = np.sign(codes) * levels[np.abs(codes.astype(int))]
    factor = np.float32(1.0 if race else site.scale)
    return each[0] * factor, each.sum(0, dtype=np.float32) * factor
