"""Text that a spiking language model goes on with, token by token.

Each new token is drawn on the host from the last token's outputs (:mod:`deploy.language.following`). The network is laid out
for a number of tokens, its window, which text and continuation must fit.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch

from deploy.errors import DeployError, first_line
from deploy.language.following import Source
from deploy.sources.loaded import LoadedModel, TextInput
from deploy.sources.texts import encoded, tokenizer_of

Turns = Sequence[Mapping[str, str]]
"""A conversation: each turn has a ``role``, one of ``ROLES``, and a ``content``."""

ROLES = ("system", "user", "assistant")


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
    """One new token: its number, the text that it adds, and what it took.

    tokens: how many ran, the prompt's too if it is the first one. spikes, microjoules: theirs. steps: time steps of a run.
    """

    number: int
    text: str
    tokens: int
    spikes: int
    microjoules: float
    steps: int


def language_of(model: LoadedModel) -> TextInput:
    """The text side of a language model.

    Raises:
        DeployError: it is none.
    """
    if model.text is None or not model.text.causal:
        raise DeployError(f"{model.spec} is no language model, which is what goes on with text")
    return model.text


def prompt_tokens(prompt: str | Turns, text: TextInput, chat: bool) -> list[int]:
    """Token numbers of a prompt; a text is the user's turn where the tokenizer has a chat template and ``chat`` asks for it.

    Raises:
        DeployError: the prompt is empty or nothing of the kind, a role is unknown, or the tokenizer cannot code it.
    """
    turns: Turns = [{"role": "user", "content": prompt}] if isinstance(prompt, str) else prompt
    for turn in turns:
        if not isinstance(turn, Mapping):
            raise DeployError("the prompt is no text, no turns of a conversation, and no token numbers")
        if turn.get("role") not in ROLES:
            raise DeployError(f"the prompt has a turn of '{turn.get('role')}'; roles are {', '.join(ROLES)}")
    if not any(turn.get("content", "").strip() for turn in turns):
        raise DeployError("--prompt: is empty; give the beginning of a text")
    tokenizer = tokenizer_of(text)
    if chat and getattr(tokenizer, "chat_template", None):
        try:
            prompt = tokenizer.apply_chat_template(list(turns), tokenize=False, add_generation_prompt=True)
        except Exception as error:  # templates are programs, and say themselves what they do not take
            raise DeployError(
                f"--prompt: the chat template of {text.tokenizer} does not take it ({first_line(error)}); give --no-chat"
            ) from error
    elif not isinstance(prompt, str):
        raise DeployError(
            f"the prompt has turns, but the tokenizer of {text.tokenizer} has no chat template; give a text"
        )
    return [int(number) for number in encoded(str(prompt), text, "--prompt")]


def generate(source: Source, prompt: Sequence[int], most: int, choice: Choice, text: TextInput) -> Iterator[Token]:
    """New tokens one by one, until ``most`` are there or the tokenizer's end token comes.

    Args:
        source: of a text's outputs.
        prompt: token numbers to go on from.
        most: new tokens at most.
        choice: how the next one is chosen.
        text: whose tokenizer turns numbers into text.

    Raises:
        DeployError: prompt and new tokens do not fit the window, or the model does not know a token.
    """
    whole = len(prompt) + most
    if whole > source.window:
        remedy = f"or convert with --tokens {whole}"
        if text.max_tokens is not None and whole > text.max_tokens:
            remedy = f"as the model has {text.max_tokens:,} positions and no more"
        raise DeployError(
            f"the prompt has {len(prompt)} tokens, with {most} new ones {whole}; the network was converted for "
            f"{source.window}: shorten the prompt, give a smaller --max-new-tokens, {remedy}"
        )
    if text.vocabulary is not None and not all(0 <= number < text.vocabulary for number in prompt):
        raise DeployError(f"the prompt has a token that the model does not know; it knows 0 to {text.vocabulary - 1}")
    tokenizer = tokenizer_of(text)
    draws, tokens, written = np.random.default_rng(choice.seed), list(prompt), ""
    for _ in range(most):
        found = source.following(tokens)
        number = choice.of(found.logits, draws)
        tokens.append(number)
        shown = tokenizer.decode(tokens[len(prompt) :])  # a character may need several tokens
        yield Token(number, shown[len(written) :], found.tokens, found.spikes, found.microjoules, source.steps)
        written = shown
        if number == tokenizer.eos_token_id:
            return
