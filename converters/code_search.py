"""The code of every firing node, chosen by what it costs the outputs.

Three things are free at each node for a given T: the base (fine levels near the scale, or a wide range below it), how many
spikes a value may take, and the scale (the calibrated maximum, or a little less, at which the largest values saturate but
more levels sit where the values are). A choice is made only if it lowers the error on both halves of the samples. Where T is
free too, all of this is chosen for each T, and then the T of each node (:mod:`converters.windows`).

Within a budget of spikes, each feature has a last step of its own for second spikes: what a second spike takes off the
squared error falls with the step at which it comes, and what it costs does not.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType

import numpy as np

from converters import windows
from converters.choices import Choice, Tuning
from converters.evidence import coded, gated
from converters.ingredients import ALL, Ingredients
from converters.overrides import Override, by_layer
from converters.sensitivity import Evidence, SiteCode, Trial
from processes.batches import Progress
from processes.calibration import factors
from processes.network import Network

BASES = (1.04, 1.06, 1.08, 1.1, 1.12, 1.15, 1.18, 1.22, 1.26, 1.3, 1.35, 1.4, 1.5, 1.6, 1.8, 2.0)
SCALES = (1.0, 0.95, 0.9, 0.85)
HEADROOM = (1.25, 1.5, 2.0, 3.0, 4.0)
"""Further scales of gates and what reads them, whose largest values in unseen samples exceed the calibrated ones by far."""
BUDGET = (
    1.39  # spikes of a network with some second spikes, relative to one spike per value; 0.5 % more has been measured
)
LIMITS = 9  # last steps of second spikes that are tried, for each feature
PRICES = 25  # of a spike that are tried, by bisection
LOWEST = 1e-15  # of the largest

FREE = Override()  # of a node for which nothing is given

Tried = dict[str, list[Trial]]


def asked(
    network: Network, steps: int | None, overrides: Mapping[str, Override], latency: int | None
) -> dict[str, Override]:
    """What is given for each node of a lowered network, before any work; arguments as for :func:`tune`.

    Args:
        overrides: bases, spikes and T that are given, by pattern of nodes' names; what is given is not chosen.

    Raises:
        DeployError: no node fires, a pattern matches no firing node, or no T is short enough.
    """
    nodes = coded(network)
    given = by_layer(overrides, nodes)
    if steps is None:
        windows.way(network, nodes, given).limit(latency)
    return given


def tune(
    network: Network,
    evidence: Mapping[str, Evidence],
    steps: int | None,
    base: float | None,
    spikes: int | None,
    input_spikes: int = 1,
    progress: Progress | None = None,
    ingredients: Ingredients = ALL,
    budget: float = BUDGET,
    given: Mapping[str, Override] = MappingProxyType({}),
    latency: int | None = None,
) -> Tuning:
    """Choose.

    Args:
        network: lowered, scales known, not folded.
        evidence: on its firing nodes, from :func:`converters.evidence.gather`.
        steps: T; None to choose one for each node.
        base: B of every node; None to choose one for each.
        spikes: most spikes per value; None to allow a second one where it pays, within the budget.
        input_spikes: the same for the neurons that code the input, if that is more.
        progress: called with (done, in all), of nodes whose candidates are tried.
        ingredients: what there is to choose.
        budget: spikes with some second ones, relative to those of the best codes of one.
        given: from :func:`asked`.
        latency: most steps of a sample, if T is chosen; None for those that a T of ``windows.USUAL`` for all would take.

    Raises:
        DeployError: no T is short enough.
    """
    tried = (steps,) if steps is not None else windows.TRIED
    whole = (2 if spikes is not None else 5) * len(evidence) * len(tried)
    done = itertools.count(1)

    def advance() -> None:
        if progress is not None:
            progress(next(done), whole)

    if progress is not None:
        progress(0, whole)
    gates = gated(network) if ingredients.headroom else frozenset[str]()
    search = _Search(network, evidence, given, input_spikes, ingredients, gates, advance)
    tunings = {number: _tuned(search.at(number), number, base, spikes, budget) for number in tried}
    return tunings[steps] if steps is not None else windows.chosen(network, tunings, latency, given)


def _tuned(search: _Search, steps: int, base: float | None, spikes: int | None, budget: float) -> Tuning:
    """The choices for a T, where none is given; the rest as for :func:`tune`."""
    tried = search.first(BASES[::2] if base is None else (base,), spikes or 1)
    own = {name: trials for name, trials in tried.items() if search.given_base(name) is None}
    plain = _common_base(own or tried)
    reference = {
        name: next(trial for trial in trials if trial.site.base == (search.given_base(name) or plain))
        for name, trials in tried.items()
    }
    if base is None and not search.ingredients.layer_bases:
        base = plain
        tried |= {name: [trial for trial in trials if trial.site.base == plain] for name, trials in own.items()}
    chosen = search.refined(tried, reference, math.inf, base is None)
    if spikes is None:
        fewest = sum(choice.spikes for choice in chosen.values())
        # errors of one spike are those of rounding, and taken as independent they choose better
        search = search.seen(together=True)
        reference = {name: trial for name, (trial,) in search.first((plain,), 1).items()}
        tried = search.first(BASES[::2] if base is None else (base,), 2, limited=True)
        chosen = search.refined(tried, reference, budget * fewest, base is None)
    return Tuning(plain, steps, chosen)


@dataclass(frozen=True)
class _Search:
    """Candidates of all nodes, judged by what was gathered of them.

    Attributes:
        given: bases, spikes and T that are not to be chosen, by node.
        gates: nodes whose scales may exceed the calibrated ones.
        advance: called for each node whose candidates have been judged.
    """

    network: Network
    evidence: Mapping[str, Evidence]
    given: Mapping[str, Override]
    input_spikes: int
    ingredients: Ingredients
    gates: frozenset[str]
    advance: Callable[[], None]

    def given_base(self, name: str) -> float | None:
        """The base that a node has to take; None if it is free."""
        return self.given.get(name, FREE).base

    def at(self, steps: int) -> _Search:
        """The same for windows of so many steps, or as many as are given for a node."""
        own = {name: self.given.get(name, FREE).timesteps or steps for name in self.evidence}
        return replace(self, evidence={n: replace(seen, steps=own[n]) for n, seen in self.evidence.items()})

    def seen(self, together: bool) -> _Search:
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

    def refined(self, tried: Tried, reference: dict[str, Trial], budget: float, any_base: bool) -> dict[str, Choice]:
        """The best of ``tried`` and of what is next to it, other scales too."""
        for name, choice in _cheapest(tried, reference, budget).items():
            scaled = self.ingredients.layer_scales and factors(self.network[name]) != "none"
            scales = (SCALES + HEADROOM if name in self.gates else SCALES) if scaled else (1.0,)
            free = any_base and self.given_base(name) is None
            tried[name] += _finer(self.evidence[name], tried[name], choice.site, scales, free)
            self.advance()
        return _cheapest(tried, reference, budget)


def _common_base(tried: Tried) -> float:
    """The base that would be best for all nodes together."""
    errors: dict[float, float] = {}
    for trial in itertools.chain(*tried.values()):
        errors[trial.site.base] = errors.get(trial.site.base, 0.0) + float(trial.error.sum())
    return min(errors, key=errors.__getitem__)


def _finer(seen: Evidence, tried: list[Trial], best: SiteCode, scales: Sequence[float], any_base: bool) -> list[Trial]:
    """Candidates around the best one: bases next to it, and smaller scales."""
    place = BASES.index(best.base) if any_base else 0
    near = BASES[max(0, place - 1) : place + 2] if any_base else (best.base,)
    sites = [SiteCode(base, tried[0].site.spikes, scale, steps=seen.steps) for base in near for scale in scales]
    known = {trial.site for trial in tried}
    return seen.trials([site for site in sites if site not in known], tried[0].limits)


def _cheapest(tried: Tried, plain: dict[str, Trial], budget: float) -> dict[str, Choice]:
    """Per node the least error among the plain code and what is better on both halves, with at most ``budget`` spikes.

    The least total error for a given number of spikes has one price of a spike for all nodes and features: each takes what
    has the least error + price * spikes.
    """
    options = {
        name: [plain[name], *(trial for trial in own if (trial.error < plain[name].error).all())]
        for name, own in tried.items()
    }

    def choose(price: float) -> dict[str, Choice]:
        return {
            name: min((_at(price, t, plain[name]) for t in own), key=lambda c: c.error + price * c.spikes)
            for name, own in options.items()
        }

    cheap, dear = 0.0, sum(float(trial.error.sum()) for own in options.values() for trial in own) + 1e-30
    chosen = choose(cheap)
    if sum(choice.spikes for choice in chosen.values()) <= budget:
        return chosen
    cheap = dear * LOWEST
    for _ in range(PRICES):
        price = math.sqrt(cheap * dear)
        chosen = choose(price)
        if sum(choice.spikes for choice in chosen.values()) <= budget:
            dear = price
        else:
            cheap = price
    return choose(dear)


def _at(price: float, trial: Trial, plain: Trial) -> Choice:
    """A candidate with the limits of second spikes that a price of spikes asks for."""
    errors = trial.errors.sum(0)
    best = (errors + price * trial.spikes).argmin(1)[:, None]
    site, latest = trial.site, np.asarray(trial.limits)[best[:, 0]]
    if latest.max() == 0:
        site = replace(site, spikes=1)
    elif latest.min() < trial.limits[-1]:
        site = replace(site, latest=tuple(latest.tolist()))
    error, spikes = (float(np.take_along_axis(table, best, 1).sum()) for table in (errors, trial.spikes))
    return Choice(site, error, spikes, float(plain.errors.sum(0)[:, -1].sum()))
