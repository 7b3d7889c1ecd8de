"""The code of every firing node, chosen by what it costs the outputs.

Three things are free at each node for a given T: the base (fine levels near the scale, or a wide range below it), how many
spikes a value may take, and the scale (the calibrated maximum, or a little less, at which the largest values saturate but
more levels sit where the values are). A choice is made only if it lowers the error on both halves of the samples.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from converters.ingredients import ALL, Ingredients
from converters.scales import Firing, Progress
from converters.sensitivity import Site, Trial, gather
from processes.network import Network

BASES = (1.04, 1.06, 1.08, 1.1, 1.12, 1.15, 1.18, 1.22, 1.26, 1.3, 1.35, 1.4, 1.5, 1.6, 1.8, 2.0)
SCALES = (1.0, 0.95, 0.9, 0.85)
SAMPLES = 64  # of the calibration set
BUDGET = 1.4  # spikes of a network with some second spikes, relative to one spike per value
PRICES = 40  # of a spike that are tried, by bisection
LOWEST = 1e-15  # of the largest


@dataclass(frozen=True)
class Choice:
    """What was chosen for a node.

    error: squared output error that the node makes, summed over the samples; plain_error: that of the plain code, with
    the common base and the calibrated scale. spikes: per sample.
    """

    site: Site
    error: float
    spikes: float
    plain_error: float


@dataclass(frozen=True)
class Tuning:
    """Choices by node; ``base`` is the one of the plain codes."""

    base: float
    choices: dict[str, Choice]

    @property
    def sites(self) -> dict[str, Site]:
        """The chosen codes."""
        return {name: choice.site for name, choice in self.choices.items()}


def tune(
    network: Network,
    samples: np.ndarray,
    steps: int,
    base: float | None,
    spikes: int | None,
    input_spikes: int = 1,
    batch: int = 8,
    progress: Progress | None = None,
    ingredients: Ingredients = ALL,
) -> Tuning:
    """Choose.

    Args:
        network: lowered, scales known, not folded.
        samples: calibration inputs (N, *input).
        steps: T.
        base: B of every node; None to choose one for each.
        spikes: most spikes per value; None to allow a second one where it pays, within ``BUDGET``.
        input_spikes: the same for the neurons that code the input, if that is more.
        batch: samples evaluated together.
        progress: called with (samples done, samples in all).
        ingredients: what there is to choose.
    """
    few = samples[np.unique(np.linspace(0, len(samples) - 1, SAMPLES).astype(int))]
    evidence = gather(network, few, steps, batch, progress)
    coarse = BASES[::2] if base is None else (base,)

    def numbers(name: str) -> list[int]:
        least = input_spikes if network.codes_input(name) else 1
        return sorted({max(least, n) for n in ((1, 2) if spikes is None else (spikes,))})

    first = {name: {n: [seen.trial(Site(b, n)) for b in coarse] for n in numbers(name)} for name, seen in evidence.items()}
    plain = _common_base([by_number[min(by_number)] for by_number in first.values()])
    if not ingredients.layer_bases:
        base = plain
        first = {name: {n: [seen.trial(Site(base, n))] for n in numbers(name)} for name, seen in evidence.items()}
    options: dict[str, list[Choice]] = {}
    for name, by_number in first.items():
        reference = next(trial for trial in by_number[min(by_number)] if trial.site.base == plain)
        scales = SCALES if ingredients.layer_scales and isinstance(network[name], Firing) else (1.0,)
        tried = [trial for own in by_number.values() for trial in own]
        for own in by_number.values():
            tried += [evidence[name].trial(site) for site in _finer(own, scales, base is None)]
        options[name] = _worth(tried, reference)
    return Tuning(plain, _cheapest(options, BUDGET if spikes is None else None))


def _common_base(tried: list[list[Trial]]) -> float:
    """The base that would be best for all nodes together."""
    errors: dict[float, float] = {}
    for trial in itertools.chain(*tried):
        errors[trial.site.base] = errors.get(trial.site.base, 0.0) + float(trial.error.sum())
    return min(errors, key=errors.__getitem__)


def _finer(tried: list[Trial], scales: Sequence[float], any_base: bool) -> list[Site]:
    """Candidates around the best one: bases next to it, and smaller scales."""
    best = min(tried, key=lambda trial: trial.error.sum()).site
    place = BASES.index(best.base) if any_base else 0
    near = BASES[max(0, place - 1) : place + 2] if any_base else (best.base,)
    sites = [Site(base, best.spikes, scale) for base in near for scale in scales]
    known = {trial.site for trial in tried}
    return [site for site in sites if site not in known]


def _worth(tried: list[Trial], plain: Trial) -> list[Choice]:
    """The plain code, and candidates that are better on both halves of the samples."""
    kept = [plain, *(trial for trial in tried if (trial.error < plain.error).all())]
    return [Choice(t.site, float(t.error.sum()), t.spikes, float(plain.error.sum())) for t in kept]


def _cheapest(options: dict[str, list[Choice]], budget: float | None) -> dict[str, Choice]:
    """Per node the least error; with a ``budget``, within so many times the spikes of the best codes with fewest spikes.

    The least total error for a given number of spikes has one price of a spike for all nodes: each takes the candidate
    with the least error + price * spikes.
    """

    def choose(price: float) -> dict[str, Choice]:
        return {name: min(own, key=lambda c: c.error + price * c.spikes) for name, own in options.items()}

    if budget is None:
        return choose(0.0)
    fewest = {name: min(choice.site.spikes for choice in own) for name, own in options.items()}
    ones = [min((c for c in own if c.site.spikes == fewest[n]), key=lambda c: c.error) for n, own in options.items()]
    limit = budget * sum(choice.spikes for choice in ones)
    dear = sum(choice.error for own in options.values() for choice in own) + 1e-30  # of one spike: nobody pays that
    cheap = dear * LOWEST
    for _ in range(PRICES):
        price = math.sqrt(cheap * dear)
        if sum(choice.spikes for choice in choose(price).values()) <= limit:
            dear = price
        else:
            cheap = price
    return choose(dear)
