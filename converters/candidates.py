"""The codes that are tried for every firing node, and the best among them.

Bases of all widths come first; then those next to the best one, and other scales.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from converters.choices import Choice
from converters.ingredients import Ingredients
from converters.overrides import Override
from converters.sensitivity import Evidence, SiteCode, Trial
from converters.spending import Options, Tried
from processes.calibration import factors
from processes.network import Network

BASES = (1.04, 1.06, 1.08, 1.1, 1.12, 1.15, 1.18, 1.22, 1.26, 1.3, 1.35, 1.4, 1.5, 1.6, 1.8, 2.0)
SCALES = (1.0, 0.95, 0.9, 0.85)
HEADROOM = (1.25, 1.5, 2.0, 3.0, 4.0)
"""Further scales of gates and what reads them, whose largest values in unseen samples exceed the calibrated ones by far."""
LIMITS = 9  # last steps of second spikes that are tried, for each feature

FREE = Override()  # of a node for which nothing is given


@dataclass(frozen=True)
class Candidates:
    """Codes of all nodes, judged by what was gathered of them.

    Attributes:
        base: B of every node that has none given; None to try all.
        given: bases, spikes and T that are not to be chosen, by node.
        input_spikes: most spikes of neurons that code the input, if that is more than others have.
        gates: nodes whose scales may exceed the calibrated ones.
        advance: called for each node whose candidates have been judged.
    """

    network: Network
    evidence: Mapping[str, Evidence]
    base: float | None
    given: Mapping[str, Override]
    input_spikes: int
    ingredients: Ingredients
    gates: frozenset[str]
    advance: Callable[[], None]

    @property
    def bases(self) -> Sequence[float]:
        """Those that are tried first."""
        return BASES[::2] if self.base is None else (self.base,)

    def given_base(self, name: str) -> float | None:
        """The base that a node has to take; None if it is free."""
        return self.given.get(name, FREE).base

    def at(self, windows: Mapping[str, int]) -> Candidates:
        """The same for windows of so many steps, or as many as are given for a node."""
        own = {name: self.given.get(name, FREE).timesteps or windows[name] for name in self.evidence}
        return replace(self, evidence={n: replace(seen, steps=own[n]) for n, seen in self.evidence.items()})

    def seen(self, together: bool) -> Candidates:
        """The same with features' errors scaled to what they make together, or not."""
        return replace(self, evidence={n: replace(seen, together=together) for n, seen in self.evidence.items()})

    def first(self, bases: Sequence[float], number: int, limited: bool = False) -> Tried:
        """Every node with each of these bases and so many spikes, or what is given for it.

        ``limited``: second spikes may end before the window does.
        """
        tried = {}
        for name, seen in self.evidence.items():
            own = self.given.get(name, FREE)
            least = own.spikes or (self.input_spikes if self.network.codes_input(name) else 1)
            n = own.spikes or max(least, number)
            among = bases if own.base is None else (own.base,)
            limits = (
                np.unique(np.linspace(0, seen.steps - 1, LIMITS).astype(int)).tolist() if limited and n > least else ()
            )
            tried[name] = seen.trials([SiteCode(b, n, steps=seen.steps) for b in among], limits)
            self.advance()
        return tried

    def refined(
        self, tried: Tried, plain: Mapping[str, Trial], price_of: Callable[[Options], float]
    ) -> tuple[dict[str, Choice], float]:
        """The best of ``tried`` and of what is next to it, other scales too; and the price of a spike at which it is."""
        coarse = Options.of(tried, plain)
        finer = {}
        for name, best in coarse.best(price_of(coarse)).items():
            finer[name] = [*tried[name], *self._near(name, tried[name], best)]
            self.advance()
        options = Options.of(finer, plain)
        price = price_of(options)
        return options.choices(price), price

    def _near(self, name: str, tried: list[Trial], best: Trial) -> list[Trial]:
        """Candidates around the best one: bases next to it, and other scales."""
        ingredients, seen = self.ingredients, self.evidence[name]
        scales: Sequence[float] = (1.0,)
        if ingredients.layer_scales and factors(self.network[name]) != "none":
            scales = SCALES + HEADROOM if name in self.gates else SCALES
        near: Sequence[float] = (best.site.base,)
        if self.base is None and self.given_base(name) is None:
            place = BASES.index(best.site.base)
            near = BASES[max(0, place - 1) : place + 2]
        spikes = max(best.site.spikes, tried[0].site.spikes)
        limits = next(trial.limits for trial in tried if trial.site.spikes == spikes)
        known = {trial.site for trial in tried}
        sites = (SiteCode(base, spikes, scale, steps=seen.steps) for base in near for scale in scales)
        return seen.trials([site for site in sites if site not in known], limits)
