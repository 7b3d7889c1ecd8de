"""Text that a spiking language model goes on with, token by token.

Each new token is drawn on the host from the last token's outputs. The network has a fixed number of tokens, its window: the
text so far stands at its beginning, and what follows cannot be seen from there, as every output depends on the tokens up to
its own alone. So a token costs a run of the whole window, however long the text is.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch

from converters.pipeline import front_end, network_input
from deploy import measure
from deploy.errors import DeployError
from deploy.options import check_choice
from deploy.sources.loaded import LoadedModel, TextInput
from deploy.sources.texts import encoded, tokenizer_of
from evaluator.closed_form import ClosedForm
from evaluator.timeline import timeline
from processes.network import Network
from targets import registry

Logits = Callable[[np.ndarray], tuple[np.ndarray, int]]
"""Of a window of token numbers (T,): logits (T, vocabulary), and how many spikes it took."""


@dataclass(frozen=True)
class Choice:
    """How the next token is chosen.

    temperature: 0 for the most likely token; else what logits are divided by before one is drawn. top_k: draw among so many of
    the most likely ones; None for all. seed: of the draws.
    """

    temperature: float = 0.0
    top_k: int | None = None
    seed: int = 0

    def check(self, vocabulary: int) -> None:
        """Raises DeployError for a temperature below 0, or a number of tokens that there is not."""
        if not 0 <= self.temperature < float("inf"):
            raise DeployError(
                f"--temperature {self.temperature:g}: give 0 for the most likely token, or a number above"
            )
        if self.top_k is not None and not 1 <= self.top_k <= vocabulary:
            raise DeployError(f"--top-k {self.top_k}: the model knows {vocabulary:,} tokens; give 1 to as many")

    def of(self, logits: np.ndarray, draws: np.random.Generator) -> int:
        """The next token of logits (vocabulary,)."""
        if self.temperature == 0:
            return int(logits.argmax())
        scaled = torch.from_numpy(logits).double() / self.temperature
        if self.top_k is not None:
            scaled[scaled < scaled.topk(self.top_k).values[-1]] = -torch.inf
        share = scaled.softmax(-1).numpy()
        return int(draws.choice(len(share), p=share / share.sum()))


GREEDY = Choice()
"""The most likely token."""


@dataclass(frozen=True)
class Token:
    """One new token: its number, the text that it adds, and what it took: time steps (None if not stepped) and spikes."""

    number: int
    text: str
    spikes: int
    steps: int


def language_of(model: LoadedModel) -> TextInput:
    """The text side of a language model.

    Raises:
        DeployError: it is none.
    """
    if model.text is None or not model.text.causal:
        raise DeployError(f"{model.spec} is no language model, which is what goes on with text")
    return model.text


def prompt_tokens(prompt: str, text: TextInput, chat: bool) -> list[int]:
    """Token numbers of a prompt, as the user's turn where the tokenizer has a chat template and ``chat`` asks for it.

    Raises:
        DeployError: the prompt is empty, or the tokenizer cannot code it.
    """
    if not prompt.strip():
        raise DeployError("--prompt: is empty; give the beginning of a text")
    tokenizer = tokenizer_of(text)
    if chat and getattr(tokenizer, "chat_template", None):
        turn = [{"role": "user", "content": prompt}]
        prompt = tokenizer.apply_chat_template(turn, tokenize=False, add_generation_prompt=True)
    return [int(number) for number in encoded(prompt, text, "--prompt")]


def generate(
    logits: Logits, prompt: Sequence[int], window: int, most: int, choice: Choice, text: TextInput, steps: int,
) -> Iterator[Token]:  # fmt: skip
    """New tokens one by one, until ``most`` are there or the tokenizer's end token comes.

    Args:
        logits: of a window of tokens.
        prompt: token numbers to go on from.
        window: T, tokens that the network takes.
        most: new tokens at most.
        choice: how the next one is chosen.
        text: whose tokenizer turns numbers into text.
        steps: time steps of a run.

    Raises:
        DeployError: prompt and new tokens do not fit the window.
    """
    if len(prompt) + most > window:
        raise DeployError(
            f"the prompt has {len(prompt)} tokens, with {most} new ones {len(prompt) + most}; the network was converted for "
            f"{window}: shorten the prompt, give a smaller --max-new-tokens, or convert with --tokens {len(prompt) + most}"
        )
    tokenizer = tokenizer_of(text)
    draws, tokens, written = np.random.default_rng(choice.seed), list(prompt), ""
    for _ in range(most):
        filled = np.array(tokens + [tokens[-1]] * (window - len(tokens)), np.int64)
        found, spikes = logits(filled)
        number = choice.of(found[len(tokens) - 1], draws)
        tokens.append(number)
        whole = tokenizer.decode(tokens[len(prompt) :])  # a character may need several tokens
        yield Token(number, whole[len(written) :], spikes, steps)
        written = whole
        if number == tokenizer.eos_token_id:
            return


def spiking(network: Network, model: LoadedModel, target: str) -> tuple[Logits, int, int]:
    """Logits of the spiking network on a target; its window; its time steps.

    Raises:
        DeployError: the target is unknown, or cannot run here.
    """
    from deploy.availability import available

    check_choice("--target", target, registry())
    place = available(registry()[target])
    window = network.input_shape[1]
    front = front_end(model.module, [np.zeros((1, window), np.int64)])[1]

    def logits(tokens: np.ndarray) -> tuple[np.ndarray, int]:
        x = network_input(front, [tokens[None]])
        if target == "closed-form":
            found = measure.evaluate(ClosedForm(network), x, 1)
            return found.outputs.reshape(window, -1), sum(found.spikes.values())
        run = place.run(network, x, "block", None)
        outputs = ClosedForm(network, torch.float64).real(torch.from_numpy(run.outputs)).float().numpy()
        spikes = sum(int(np.count_nonzero(v)) for name, v in run.values.items() if network[name].fires)
        return outputs.reshape(window, -1), spikes

    return logits, window, timeline(network).period


def original(model: LoadedModel) -> Logits:
    """Logits of the trained model itself, which sends no spikes."""

    @torch.no_grad()
    def logits(tokens: np.ndarray) -> tuple[np.ndarray, int]:
        return model.module(torch.from_numpy(tokens[None]))[0].numpy(), 0

    return logits
