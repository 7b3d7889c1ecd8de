"""Law two: token by token from held traces equals the whole sequence at once, every spike and potential, in fixed point."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn

from converters.calibrate import calibrate
from converters.capture import capture
from converters.coverage import built
from converters.discretise import discretise
from converters.families import FAMILIES, Family
from converters.front_end import split
from converters.lowering import lower
from deploy.energy import ContinuedCounter, EventCounter
from evaluator import going_on
from evaluator.closed_form import ClosedForm
from evaluator.continued import NOTHING, Continued, Held, PartForm, answers
from processes.chips import LOIHI2
from processes.errors import DeployError
from processes.network import FixedPointNetwork, TraceProduct
from processes.operation import Result
from processes.phase_code import PhaseCode
from tests.converters.modules import module, spiking

CODE = PhaseCode(1.4, 8)
SAMPLES = 2
CAUSAL = [
    f"transformers {name}" for name in (
        "GPT-2", "GPT-J", "OPT", "GPT-NeoX", "Llama", "Qwen2", "Qwen3", "Mistral", "Gemma", "Gemma 2", "Gemma 3, text", "Phi",
        "Phi-3", "SmolLM3", "OLMo 2", "StarCoder2", "Falcon", "Bloom", "Mixtral", "Qwen2-MoE",
    )
]  # fmt: skip
QUICK = {"transformers GPT-2", "transformers Llama", "transformers Gemma 2", "transformers Mixtral"}
"""Between them: learned positions, rotary embeddings, grouped keys, gates, windows, capping, routing to experts."""

pytestmark = pytest.mark.filterwarnings("ignore")  # of the libraries' own, while they build and export models


@dataclass
class Subject:
    """A small random model of a family in integers, its inputs (N, 1, T, features) and every node's result on them."""

    network: FixedPointNetwork
    x: torch.Tensor
    whole: dict[str, Result]


@pytest.fixture(scope="module")
def subject() -> Callable[[str], Subject]:
    known: dict[str, Subject] = {}

    def made(name: str) -> Subject:
        if name not in known:
            known[name] = _made(next(family for family in FAMILIES if family.name == name))
        return known[name]

    return made


def _made(family: Family) -> Subject:
    model, arguments = built(family, 0)
    captured = capture(model, tuple(a[:1] for a in arguments))
    front = split(captured).front
    assert front is not None
    samples = front(*arguments)
    floating = calibrate(lower(captured, samples[:1].shape), samples, CODE, spikes=2)
    network = discretise(floating, samples, LOIHI2)
    return _run(network, samples[:SAMPLES])


def _run(network: FixedPointNetwork, x: np.ndarray) -> Subject:
    whole: dict[str, Result] = {}
    ClosedForm(network).run(x, lambda name, _, result: whole.__setitem__(name, result))
    return Subject(network, torch.from_numpy(x).reshape(len(x), *network.input_shape), whole)


def differing(subject: Subject, cuts: list[int], change: Callable[[Held], Held] = lambda held: held) -> Counter[str]:
    """By node, how many spikes, potentials and clips of parts that end at ``cuts`` are not the whole run's; 0 where all are."""
    found, compared = going_on.differing(Continued(subject.network), subject.x, subject.whole, cuts, change)
    assert compared
    return found


@pytest.mark.parametrize(
    "name", [pytest.param(n, marks=[pytest.mark.exhaustive] * (n not in QUICK), id=n) for n in CAUSAL]
)
def test_a_prompt_and_tokens_one_by_one_equal_the_whole_sequence(name: str, subject: Callable[[str], Subject]) -> None:
    found = differing(subject(name), [4, 5, 6, 8, 9])
    assert not +found
    assert any(answer.holds is not None for answer in answers(subject(name).network).values())
    products = [
        result for key, result in subject(name).whole.items() if isinstance(subject(name).network[key], TraceProduct)
    ]
    assert products and all(result.clips is None for result in products)  # where traces may have been written earlier


def test_a_held_key_that_is_lost_is_found(subject: Callable[[str], Subject]) -> None:
    """Negative control: what is held matters, and its loss shows in later tokens, from the product on."""
    gpt = subject("transformers GPT-2")
    product, axis = next((name, a.holds) for name, a in answers(gpt.network).items() if a.holds is not None)

    def lose(held: Held) -> Held:
        if held.tokens != 4:
            return held
        traces = held.traces[product].clone()
        traces.select(axis, 1).zero_()
        return replace(held, traces={**held.traces, product: traces})

    found = differing(gpt, [4, 5], lose)
    assert found[product] and not any(found[name] for name in list(found)[: list(found).index(product)])


def test_a_token_at_another_place_is_another(subject: Callable[[str], Subject]) -> None:
    """Negative control: rotary embeddings and what is read are those of a token's own position."""
    llama = subject("transformers Llama")
    continued, readout = Continued(llama.network), llama.network.output
    potentials = llama.whole[readout].values[:, :, 4] * torch.from_numpy(llama.network[readout].unit[0])  # type: ignore[attr-defined]
    _, before = continued.run(NOTHING, llama.x[:, :, :4])
    at_its_place, _ = continued.run(before, llama.x[:, :, 4:5])
    assert torch.equal(at_its_place[:, :, 0].double(), potentials.float().double())
    _, shorter = continued.run(NOTHING, llama.x[:, :, :3])
    elsewhere, _ = continued.run(shorter, llama.x[:, :, 4:5])
    assert not torch.equal(elsewhere, at_its_place)


def test_what_is_held_can_be_continued_in_two_ways(subject: Callable[[str], Subject]) -> None:
    """A run leaves what it was given as it is."""
    llama = subject("transformers Llama")
    continued = Continued(llama.network)
    _, prompt = continued.run(NOTHING, llama.x[:, :, :4])
    one, _ = continued.run(prompt, llama.x[:, :, 4:5])
    continued.run(prompt, llama.x[:, :, 6:8])
    assert torch.equal(continued.run(prompt, llama.x[:, :, 4:5])[0], one)
    assert NOTHING.tokens == 0 and not NOTHING.traces and prompt.tokens == 4


def test_more_tokens_than_the_window_are_refused(subject: Callable[[str], Subject]) -> None:
    llama = subject("transformers Llama")
    with pytest.raises(DeployError, match="10 tokens; the network was converted for 9"):
        Continued(llama.network).run(Held(tokens=9), llama.x[:, :, :1])


def test_events_of_tokens_add_up_to_those_of_the_sequence(subject: Callable[[str], Subject]) -> None:
    """Spikes, copies of traces and multiplications are each made once, by whichever run; masked pairs are not run at all."""
    llama = subject("transformers Llama")
    whole = EventCounter(llama.network)
    ClosedForm(llama.network).run(llama.x, whole)
    held, counters = NOTHING, []

    def counted(part: PartForm) -> ContinuedCounter:
        counters.append(ContinuedCounter(part))
        return counters[-1]

    continued = Continued(llama.network)
    for stop in range(1, llama.x.shape[2] + 1):
        _, held = continued.run(held, llama.x[:, :, held.tokens : stop], counted)
    once = Counter()
    for counter in counters:
        once.update(counter.totals)
    assert once["spikes"] == whole.totals["spikes"]
    products = [name for name, answer in continued.answers.items() if answer.holds is not None]
    copies = [sum(c.counts[name]["trace_copies"] for c in counters) for name in products]
    assert copies == [whole.counts[name]["trace_copies"] for name in products]
    sent = [sum(c.counts[name]["transfers"] for c in counters) for name in products]
    assert sent == [whole.counts[name]["transfers"] for name in products]
    assert once["macs"] < whole.totals["macs"] and once["synaptic_operations"] < whole.totals["synaptic_operations"]


class _Attention(nn.Module):
    """One head; ``causal`` or not; with or without a mean over tokens before it."""

    def __init__(self, causal: bool, mean: bool) -> None:
        super().__init__()
        self.q, self.k, self.v, self.o = (nn.Linear(4, 4) for _ in range(4))
        self.causal, self.mean = causal, mean

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if self.mean:
            x = x + x.mean(1, keepdim=True)
        return self.o(F.scaled_dot_product_attention(self.q(x), self.k(x), self.v(x), is_causal=self.causal))


@pytest.mark.parametrize(
    "causal, mean, message",
    [(True, False, ""), (False, False, "its rows read tokens after their own"), (True, True, "mean")],
)
def test_a_network_that_mixes_tokens_otherwise_is_refused_by_name(causal: bool, mean: bool, message: str) -> None:
    torch.manual_seed(0)
    x = torch.randn(6, 5, 4)
    network = spiking(_Attention(causal, mean).eval(), x, CODE)
    if not message:
        assert answers(network)
        return
    with pytest.raises(DeployError, match=f"node '.*' .*cannot go on token by token: .*{message}"):
        answers(network)


def test_a_convolution_is_refused() -> None:
    network = spiking(
        module(lambda m, x: m.c(x.transpose(1, 2)).transpose(1, 2), c=nn.Conv1d(4, 4, 3, padding=1)),
        torch.randn(6, 5, 4),
        CODE,
    )
    with pytest.raises(DeployError, match="cannot go on token by token"):
        answers(network)
