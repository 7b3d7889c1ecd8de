"""The code of every firing node, chosen by what it costs the outputs.

Three things are free at each node for a given T: the base (fine levels near the scale, or a wide range below it), how many
spikes a value may take, and the scale (the calibrated maximum, or a little less, at which the largest values saturate but
more levels sit where the values are). A choice is made only if it lowers the error on both halves of the samples.

Within a budget of spikes, each feature has a last step of its own for second spikes: what a second spike takes off the
squared error falls with the step at which it comes, and what it costs does not.

Where T is free too, the longest one for all that keeps the latency tells what a spike is worth. At this price codes are chosen
for each T, then the T of each node (:mod:`converters.windows`), and then the codes once more, at these T and within the budget.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import NamedTuple

from converters import windows
from converters.candidates import Candidates
from converters.choices import Choice, Tuning
from converters.evidence import coded, gated
from converters.ingredients import ALL, Ingredients
from converters.overrides import Override, by_layer
from converters.sensitivity import Evidence
from converters.spending import Options, Tried, spent
from processes.batches import Progress
from processes.network import Network

BUDGET = (
    1.39  # spikes of a network with some second spikes, relative to one spike per value; 0.5 % more has been measured
)


class Allowance(NamedTuple):
    """How many spikes may be spent.

    Attributes:
        usual: spikes per value that the budget of all spikes is derived from.
        most: most spikes of a value.
        factor: all spikes together, relative to those of codes in which every value may take ``usual``.
    """

    usual: int
    most: int
    factor: float = 1.0

    @property
    def scarce(self) -> bool:
        """Whether the spikes of all values together are limited, as ``most`` is more than ``usual``."""
        return self.most > self.usual

    @property
    def rounds(self) -> int:
        """How many times one search judges candidates of all nodes.

        Once for plain codes and for each number of spikes from 2 on, or for the only number; and once for finer
        candidates.
        """
        return 1 + self.most if self.scarce else 2


ONE_OR_TWO = Allowance(1, 2, BUDGET)
"""The allowance where T is given."""
TWO_ON_AVERAGE = Allowance(2, 3)
"""The allowance where T is chosen too: third spikes refine the few levels of short windows, and values for which fewer
are enough save the spikes that these cost."""


def asked(
    network: Network, steps: int | None, overrides: Mapping[str, Override], latency: int | None
) -> dict[str, Override]:
    """The user's overrides by firing node of a lowered network, checked before any costly work.

    Args:
        network: lowered.
        steps: T; None if it is chosen for each node.
        overrides: bases, spikes and T that the user gives, by pattern of nodes' names; what is given is not chosen.
        latency: most steps of a sample if T is chosen, as for :func:`tune`.

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
    saved: float = 1.0,
    given: Mapping[str, Override] = MappingProxyType({}),
    latency: int | None = None,
) -> Tuning:
    """Choose the code of every firing node, by the squared error of the outputs on calibration samples.

    Args:
        network: lowered, scales known, not folded.
        evidence: on its firing nodes, from :func:`converters.evidence.gather`.
        steps: T; None to choose one for each node.
        base: B of every node; None to choose one for each.
        spikes: most spikes per value; None to choose: ``ONE_OR_TWO``, or ``TWO_ON_AVERAGE`` where T is chosen too.
        input_spikes: most spikes of the neurons that code the network's input, if that is more than ``spikes``.
        progress: called with (done, in all), of nodes whose candidates are tried.
        ingredients: which parts of a code may be chosen.
        saved: factor on the budget of spikes: by how much scales that are raised later (:mod:`converters.balance`)
            lower the number of spikes.
        given: from :func:`asked`.
        latency: most steps of a sample, if T is chosen; None for those that a T of ``windows.USUAL`` for all would take.

    Raises:
        DeployError: no T is short enough.
    """
    chosen = TWO_ON_AVERAGE if steps is None else ONE_OR_TWO
    allowed = chosen if spikes is None else Allowance(spikes, spikes)
    searches = (1 if allowed.scarce else 0) + (len(windows.TRIED) if steps is None else 0)
    whole, done = (2 + searches * allowed.rounds) * len(evidence), itertools.count(1)

    def advance() -> None:
        if progress is not None:
            progress(next(done), whole)

    if progress is not None:
        progress(0, whole)
    gates = gated(network) if ingredients.headroom else frozenset[str]()
    candidates = Candidates(network, evidence, base, given, input_spikes, ingredients, gates, advance)
    if steps is not None:
        return _at(candidates, steps, allowed, saved).tuning
    return _within(candidates, windows.way(network, list(evidence), given), allowed, saved, latency)


class _Found(NamedTuple):
    """Choices with one T for all nodes.

    Attributes:
        tuning: the choices.
        budget: spikes per sample that may be spent.
        price: of a spike, in squared error, at which the choices are within the budget; 0 if spikes are not scarce.
    """

    tuning: Tuning
    budget: float
    price: float


def _at(candidates: Candidates, steps: int, allowed: Allowance, saved: float) -> _Found:
    """The choices where all nodes have T = ``steps``, except those whose T the user gives."""
    own = candidates.at(dict.fromkeys(candidates.evidence, steps))
    base, chosen = _alike(own, allowed.usual)
    budget, price = saved * allowed.factor * spent(chosen), 0.0
    if allowed.scarce:
        chosen, price = _apart(own, base, allowed.most, lambda options: options.price_within(budget))
    return _Found(Tuning(base, steps, chosen), budget, price)


def _within(
    candidates: Candidates, path: windows.Path, allowed: Allowance, saved: float, latency: int | None
) -> Tuning:
    """The choices where each node has a T of its own, such that a sample takes at most ``latency`` steps."""
    limit = path.limit(latency)
    common = _at(candidates, path.longest(limit), allowed, saved)

    def chosen(own: Mapping[str, int], price_of: Callable[[Options], float]) -> dict[str, Choice]:
        at = candidates.at(own)
        if allowed.scarce:
            return _apart(at, common.tuning.base, allowed.most, price_of)[0]
        return _alike(at, allowed.usual)[1]

    costs: dict[str, dict[int, float]] = {name: {} for name in candidates.evidence}
    for steps in windows.TRIED:
        same = common.tuning.choices
        if steps != common.tuning.steps:
            same = chosen(dict.fromkeys(costs, steps), lambda options: common.price)
        for name, choice in same.items():
            costs[name][steps] = choice.error + common.price * choice.spikes
    own = replace(path, errors=costs).within(limit)
    found, plain = chosen(own, lambda options: options.price_within(common.budget)), common.tuning.choices
    choices = {name: replace(choice, plain_error=plain[name].plain_error) for name, choice in found.items()}
    return replace(common.tuning, choices=choices)


def _alike(candidates: Candidates, spikes: int) -> tuple[float, dict[str, Choice]]:
    """The base that is best for all nodes together, and the choices where every value may take ``spikes`` spikes."""
    tried = candidates.first(candidates.bases, spikes)
    free = {name: trials for name, trials in tried.items() if candidates.given_base(name) is None}
    base = _common_base(free or tried)
    plain = {
        name: next(trial for trial in trials if trial.site.base == (candidates.given_base(name) or base))
        for name, trials in tried.items()
    }
    if not candidates.ingredients.layer_bases:
        candidates = replace(candidates, base=base)
        tried |= {name: [trial for trial in trials if trial.site.base == base] for name, trials in free.items()}
    return base, candidates.refined(tried, plain, lambda options: 0.0)[0]


def _apart(
    candidates: Candidates, base: float, most: int, price_of: Callable[[Options], float]
) -> tuple[dict[str, Choice], float]:
    """The choices where a spike has the same price at every node, and this price.

    Errors of several spikes are judged together. Errors of a single spike are those of rounding, and choices are better
    where they are taken as independent (:func:`_alike`).

    Args:
        candidates: at the T of each node.
        base: B of the plain codes.
        most: most spikes of a value.
        price_of: the price of a spike for given options.
    """
    seen = candidates.seen(together=True)
    plain = {name: trial for name, (trial,) in seen.first((base,), 1).items()}
    if not candidates.ingredients.layer_bases and candidates.base is None:
        seen = replace(seen, base=base)
    tried: Tried = {name: [] for name in plain}
    for number in range(2, most + 1):
        for name, trials in seen.first(seen.bases, number, limited=number == 2).items():
            known = {trial.site for trial in tried[name]}
            tried[name] += [trial for trial in trials if trial.site not in known]
    return seen.refined(tried, plain, price_of)


def _common_base(tried: Tried) -> float:
    """The base with the least error, summed over the trials of all nodes."""
    errors: dict[float, float] = {}
    for trial in itertools.chain(*tried.values()):
        errors[trial.site.base] = errors.get(trial.site.base, 0.0) + float(trial.error.sum())
    return min(errors, key=errors.__getitem__)
