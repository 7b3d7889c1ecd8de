"""Next-token logits of a text, by the spiking network on a target or by the original model.

The closed form continues from the traces that earlier tokens' neurons hold, so that a new token costs only its own row
and its attention. Other targets, and networks that mix tokens in other ways, run the whole window for each token: the
text stands at the window's beginning, and as attention is causal, what follows it has no influence.
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
    """Logits (vocabulary,) of a text's last token, and what they took: tokens run, spikes, microjoules (``USUAL``)."""

    logits: np.ndarray
    tokens: int
    spikes: int
    microjoules: float


Following = Callable[[Sequence[int]], Output]
"""Takes all token numbers of a text; each call must pass a longer continuation of the text of the call before."""


@dataclass(frozen=True)
class Source:
    """A source of next-token logits.

    Attributes:
        following: computes them.
        window: largest number of tokens of a text.
        steps: time steps of a run; 0 for the original model.
    """

    following: Following
    window: int
    steps: int


def spiking(network: Network, model: LoadedModel, target: str) -> Source:
    """Logits by the spiking network on the target of that name.

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
    except DeployError:  # it mixes tokens otherwise than by causal attention
        return Source(_whole(network, front, None), window, steps)
    return Source(_continued(continued, front), window, steps)


def original(model: LoadedModel, window: int) -> Source:
    """Logits by the trained model itself, with 0 spikes and 0 microjoules."""

    @torch.no_grad()
    def following(tokens: Sequence[int]) -> Output:
        logits = model.module(torch.tensor([list(tokens)]))[0, -1]
        return Output(logits.float().numpy(), len(tokens), 0, 0.0)

    return Source(following, window, 0)


def _filled(tokens: Sequence[int], window: int) -> np.ndarray:
    """Token numbers (1, T) of a window that begins with a text and repeats its last token up to the end."""
    return np.array([[*tokens, *[tokens[-1]] * (window - len(tokens))]], np.int64)


def _continued(continued: Continued, front: FrontEnd | None) -> Following:
    """Logits by the closed form, which runs only the tokens that are new since the call before."""
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
    """Logits by a run of the whole window at each call, on a target or, if ``place`` is None, by the closed form."""
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
    """Spikes and microjoules of a run, by the convention ``USUAL``."""
    usual = next(convention for convention in conventions() if convention.name == USUAL)
    return counter.totals["spikes"], total(usual.snn, counter) * 1e-6
