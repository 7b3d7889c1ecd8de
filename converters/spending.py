"""Which candidate codes are taken, where the number of spikes is limited.

The least total error for a given number of spikes has one price of a spike for all nodes and features: each takes the
candidate with the least error + price * spikes. The price is found by bisection, as the number of spikes falls with the
price.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from converters.choices import Choice
from converters.sensitivity import Trial

PRICES = 25  # steps of the bisection for the price of a spike
LOWEST = 1e-15  # lowest price of the bisection, relative to the highest

Tried = dict[str, list[Trial]]
"""The trials of each firing node, by the node's name."""


@dataclass(frozen=True)
class Options:
    """The candidates that each node may take: its plain code, and those that err less on both halves of the samples.

    Attributes:
        plain: by node, the trial of its plain code.
        better: by node, the trials that may replace the plain one.
    """

    plain: Mapping[str, Trial]
    better: Mapping[str, list[Trial]]

    @classmethod
    def of(cls, tried: Tried, plain: Mapping[str, Trial]) -> Options:
        """The options among the trials: those with less error than the plain code on each half of the samples."""
        better = {name: [t for t in own if (t.error < plain[name].error).all()] for name, own in tried.items()}
        return cls(plain, better)

    def best(self, price: float) -> dict[str, Trial]:
        """By node, the trial with the least error + price * spikes."""
        return {
            name: min((plain, *self.better[name]), key=lambda trial: self._cost(price, name, trial))
            for name, plain in self.plain.items()
        }

    def choices(self, price: float) -> dict[str, Choice]:
        """By node, the choice at a price of a spike."""
        return {name: self._choice(price, name, trial) for name, trial in self.best(price).items()}

    def price_within(self, budget: float) -> float:
        """The lowest price at which the choices take at most ``budget`` spikes per sample; 0 if they do at no price."""
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
        """A trial as a choice: each feature ends its second spikes at the step that is best at this price."""
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
    """Spikes of all nodes together, per sample."""
    return sum(choice.spikes for choice in choices.values())
