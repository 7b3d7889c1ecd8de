"""What follows a text: the outputs of its last token, by the spiking network on a target or by the original.

The closed form goes on from what earlier tokens' neurons hold, so that a token costs its own row and its attention. Other
targets, and networks that mix tokens otherwise, run their whole window for each token: the text so far stands at its
beginning, and what stands behind it cannot be seen from there.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch

from converters.front_end import FrontEnd
from converters.pipeline import front_end, network_input
from deploy import measure
from deploy.energy import USUAL, ContinuedCounter, EventCounter, conventions, count_run
from deploy.energy.conventions import total
from deploy.errors import DeployError
from deploy.options import check_choice
from deploy.sources.loaded import LoadedModel
from evaluator.closed_form import ClosedForm
from evaluator.continued import NOTHING, Continued, PartForm
from evaluator.timeline import timeline
from processes.network import Network
from targets import registry
from targets.base import Target


@dataclass(frozen=True)
class Output:
    """Logits (vocabulary,) of a text's last token, and what it took to know them: tokens that ran, spikes, microjoules."""

    logits: np.ndarray
    tokens: int
    spikes: int
    microjoules: float


Following = Callable[[Sequence[int]], Output]
"""Of the token numbers of a text, of which each call gives all, and more than the last one did."""


@dataclass(frozen=True)
class Source:
    """Where outputs come from.

    Attributes:
        following: gives them.
        window: T, the most tokens of a text.
        steps: time steps of a run, 0 of the original's.
    """

    following: Following
    window: int
    steps: int


def spiking(network: Network, model: LoadedModel, target: str) -> Source:
    """The spiking network on a target.

    Raises:
        DeployError: the target is unknown, or cannot run here.
    """
    from deploy.availability import available

    check_choice("--target", target, registry())
    place = available(registry()[target])
    window, steps = network.input_shape[1], timeline(network).period
    front = front_end(model.module, [np.zeros((1, window), np.int64)])[1]
    if target != "closed-form":
        return Source(_whole(network, front, place), window, steps)
    try:
        continued = Continued(network)
    except DeployError:  # it mixes tokens in another way
        return Source(_whole(network, front, None), window, steps)
    return Source(_continued(continued, front), window, steps)


def original(model: LoadedModel, window: int) -> Source:
    """The trained model itself, which sends no spikes."""

    @torch.no_grad()
    def following(tokens: Sequence[int]) -> Output:
        logits = model.module(torch.tensor([list(tokens)]))[0, -1]
        return Output(logits.float().numpy(), len(tokens), 0, 0.0)

    return Source(following, window, 0)


def _filled(tokens: Sequence[int], window: int) -> np.ndarray:
    """A window (1, T) that begins with a text; the rest repeats its last token."""
    return np.array([[*tokens, *[tokens[-1]] * (window - len(tokens))]], np.int64)


def _continued(continued: Continued, front: FrontEnd | None) -> Following:
    """By the closed form, from the traces that earlier calls have left."""
    held = NOTHING

    def following(tokens: Sequence[int]) -> Output:
        nonlocal held
        x = network_input(front, [_filled(tokens, continued.window)])
        x = x.reshape(1, *continued.network.input_shape)[..., held.tokens : len(tokens), :]
        counters: list[ContinuedCounter] = []

        def observed(part: PartForm) -> ContinuedCounter:
            counters.append(ContinuedCounter(part))
            return counters[0]

        ran = len(tokens) - held.tokens
        outputs, held = continued.run(held, x, observed)
        return Output(outputs[0, 0, -1].float().cpu().numpy(), ran, *_cost(counters[0]))

    return following


def _whole(network: Network, front: FrontEnd | None, place: Target | None) -> Following:
    """By a run of the whole window for each token; on the closed form if ``place`` is None."""
    window, runner = network.input_shape[1], ClosedForm(network)

    def following(tokens: Sequence[int]) -> Output:
        x = network_input(front, [_filled(tokens, window)])
        if place is None:
            counter = EventCounter(network)
            outputs = measure.evaluate(runner, x, 1, events=counter).outputs
        else:
            run = place.run(network, x, "block", None)
            outputs = ClosedForm(network, torch.float64).real(torch.from_numpy(run.outputs)).float().numpy()
            counter = count_run(network, run.values)
        return Output(outputs.reshape(window, -1)[len(tokens) - 1], window, *_cost(counter))

    return following


def _cost(counter: EventCounter) -> tuple[int, float]:
    """Spikes and microjoules of a run."""
    usual = next(convention for convention in conventions() if convention.name == USUAL)
    return counter.totals["spikes"], total(usual.snn, counter) * 1e-6
