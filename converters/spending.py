"""Which candidates are taken, where spikes are scarce.

The least total error for a given number of spikes has one price of a spike for all nodes and features: each takes what has the
least error + price * spikes. The price is found by bisection, as the number of spikes falls with it.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from converters.choices import Choice
from converters.sensitivity import Trial

PRICES = 25  # of a spike that are tried, by bisection
LOWEST = 1e-15  # of the largest

Tried = dict[str, list[Trial]]


@dataclass(frozen=True)
class Options:
    """What each node may take: its plain code, and what errs less on both halves of the samples.

    Attributes:
        plain: by node, the trial of its plain code.
        better: by node, those that may stand in its place.
    """

    plain: Mapping[str, Trial]
    better: Mapping[str, list[Trial]]

    @classmethod
    def of(cls, tried: Tried, plain: Mapping[str, Trial]) -> Options:
        """The options among what was tried."""
        better = {name: [t for t in own if (t.error < plain[name].error).all()] for name, own in tried.items()}
        return cls(plain, better)

    def best(self, price: float) -> dict[str, Trial]:
        """Per node the trial of least error + price * spikes."""
        return {
            name: min((plain, *self.better[name]), key=lambda trial: self._cost(price, name, trial))
            for name, plain in self.plain.items()
        }

    def choices(self, price: float) -> dict[str, Choice]:
        """What is taken at a price."""
        return {name: self._choice(price, name, trial) for name, trial in self.best(price).items()}

    def price_within(self, budget: float) -> float:
        """The lowest price at which at most ``budget`` spikes are taken; 0 if that many are not wanted."""
        if self._spent(0.0) <= budget:
            return 0.0
        everything = (trial for name, plain in self.plain.items() for trial in (plain, *self.better[name]))
        dear = sum(float(trial.error.sum()) for trial in everything) + 1e-30
        cheap = dear * LOWEST
        for _ in range(PRICES):
            price = math.sqrt(cheap * dear)
            if self._spent(price) <= budget:
                dear = price
            else:
                cheap = price
        return dear

    def _spent(self, price: float) -> float:
        return spent(self.choices(price))

    def _cost(self, price: float, name: str, trial: Trial) -> float:
        choice = self._choice(price, name, trial)
        return choice.error + price * choice.spikes

    def _choice(self, price: float, name: str, trial: Trial) -> Choice:
        """A candidate with the limits of second spikes that a price of spikes asks for."""
        errors = trial.errors.sum(0)
        best = (errors + price * trial.spikes).argmin(1)[:, None]
        site, latest = trial.site, np.asarray(trial.limits)[best[:, 0]]
        if latest.max() == 0:
            site = replace(site, spikes=1)
        elif latest.min() < trial.limits[-1]:
            site = replace(site, latest=tuple(latest.tolist()))
        error, spikes = (float(np.take_along_axis(table, best, 1).sum()) for table in (errors, trial.spikes))
        return Choice(site, error, spikes, float(self.plain[name].errors.sum(0)[:, -1].sum()))


def spent(choices: Mapping[str, Choice]) -> float:
    """Spikes of all nodes, per sample."""
    return sum(choice.spikes for choice in choices.values())
