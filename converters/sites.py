"""The code of every firing node, chosen by what it costs the outputs.

Three things are free at each node for a given T: the base (fine levels near the scale, or a wide range below it), how many
spikes a value may take, and the scale (the calibrated maximum, or a little less, at which the largest values saturate but
more levels sit where the values are). A choice is kept only if it lowers the error on both halves of the samples.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from converters.scales import Firing, Progress
from converters.sensitivity import SOFTMAX_SPIKES, Site, Trial, measure
from processes.network import Network

BASES = (1.04, 1.06, 1.08, 1.1, 1.12, 1.15, 1.18, 1.22, 1.26, 1.3, 1.35, 1.4, 1.5, 1.6, 1.8, 2.0)
SCALES = (1.0, 0.95, 0.9, 0.85)
SAMPLES = 64  # of the calibration set
BUDGET = 1.4  # spikes of a network with some second spikes, relative to one spike per value


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
    """
    few = samples[np.unique(np.linspace(0, len(samples) - 1, SAMPLES).astype(int))]
    numbers = (1, 2) if spikes is None else (spikes,)
    bases = BASES if base is None else (base,)

    def candidates(name: str) -> list[Site]:
        least = input_spikes if network.codes_input(name) else 1
        most = 3 if isinstance(network[name], Firing) else SOFTMAX_SPIKES
        own = sorted({min(max(least, n), most) for n in numbers})
        scales = SCALES if isinstance(network[name], Firing) else (1.0,)
        return [Site(b, n, s) for n in own for b in bases for s in scales]

    trials = measure(network, few, steps, candidates, batch, progress)
    plain = base if base is not None else _common_base(trials)
    options = {name: _best(tried, plain) for name, tried in trials.items()}
    chosen = {name: by_number[0] for name, by_number in options.items()}
    if spikes is None:
        _spend(chosen, options, BUDGET * sum(choice.spikes for choice in chosen.values()))
    return Tuning(plain, chosen)


def _common_base(trials: dict[str, list[Trial]]) -> float:
    """The base that would be best for all nodes together."""
    errors = dict.fromkeys(BASES, 0.0)
    for tried in trials.values():
        least = min(trial.site.spikes for trial in tried)
        for trial in tried:
            if trial.site.scale == 1 and trial.site.spikes == least:
                errors[trial.site.base] += float(trial.error.sum())
    return min(errors, key=errors.__getitem__)


def _best(tried: list[Trial], base: float) -> list[Choice]:
    """For each number of spikes, fewest first, the candidate that is best on both halves."""
    found = []
    for number in sorted({trial.site.spikes for trial in tried}):
        own = [trial for trial in tried if trial.site.spikes == number]
        plain = next(trial for trial in own if trial.site == Site(base, number))
        best = min(own, key=lambda trial: trial.error.sum())
        if not (best.error < plain.error).all():
            best = plain
        found.append(Choice(best.site, float(best.error.sum()), best.spikes, float(plain.error.sum())))
    return found


def _spend(chosen: dict[str, Choice], options: dict[str, list[Choice]], budget: float) -> None:
    """Second spikes where they lower the error most per spike, until ``budget`` spikes per sample are spent."""
    spent = sum(choice.spikes for choice in chosen.values())

    def gain(name: str) -> float:
        one, two = options[name]
        return (one.error - two.error) / max(two.spikes - one.spikes, 1e-9)

    for name in sorted((n for n, by_number in options.items() if len(by_number) > 1), key=gain, reverse=True):
        two = options[name][1]
        added = two.spikes - chosen[name].spikes
        if gain(name) > 0 and spent + added <= budget:
            chosen[name], spent = two, spent + added
