"""The codes that are tried for every firing node, and the best among them.

Every other base of the whole range is tried first; then the bases next to the best one, and other scales.
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
SCALES = (1.0, 0.95, 0.9, 0.85)  # factors on the calibrated scale
HEADROOM = (1.25, 1.5, 2.0, 3.0, 4.0)
"""Further factors for gates and what reads them, whose values in unseen samples exceed the calibrated ones by far."""
LIMITS = 9  # how many last steps of second spikes are tried, for each feature

FREE = Override()  # stands for nodes for which the user gives nothing


@dataclass(frozen=True)
class Candidates:
    """The candidate codes of all firing nodes, judged by what was gathered on each node.

    Attributes:
        network: lowered, with scales.
        evidence: by firing node, from :func:`converters.evidence.gather`.
        base: B of every node for which the user gives none; None to try all ``BASES``.
        given: bases, spikes and T that the user gives and that are not chosen, by node.
        input_spikes: most spikes of neurons that code the network's input, if that is more than others have.
        ingredients: which parts of a code may be chosen.
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
        """The bases that are tried first, before the search narrows down: every other one, or the only one given."""
        return BASES[::2] if self.base is None else (self.base,)

    def given_base(self, name: str) -> float | None:
        """The base that the user gives for a node; None if it is chosen."""
        return self.given.get(name, FREE).base

    def at(self, windows: Mapping[str, int]) -> Candidates:
        """These candidates with the T of ``windows`` for each node, or the T that the user gives for it."""
        own = {name: self.given.get(name, FREE).timesteps or windows[name] for name in self.evidence}
        return replace(self, evidence={n: replace(seen, steps=own[n]) for n, seen in self.evidence.items()})

    def seen(self, together: bool) -> Candidates:
        """These candidates judged with features' errors scaled to what they make together, or as independent."""
        return replace(self, evidence={n: replace(seen, together=together) for n, seen in self.evidence.items()})

    def first(self, bases: Sequence[float], number: int, limited: bool = False) -> Tried:
        """Trials of every node with each of ``bases`` and ``number`` spikes, or with what the user gives for the node.

        Nodes that code the input have at least ``input_spikes``. ``limited``: also judge last steps of second spikes
        that come before the window's end, up to ``LIMITS`` of them.
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
        """The best of ``tried`` and of the candidates next to them (other bases and scales), and the price of a spike.

        Args:
            tried: trials by node.
            plain: by node, the trial of its plain code.
            price_of: the price of a spike, in squared error, for given options.
        """
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
