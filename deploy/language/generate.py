"""Generates text with a spiking language model, token by token.

The host draws each new token from the logits of the last one (:mod:`deploy.language.following`). The network was
converted for a fixed number of tokens, its window, in which the prompt and the new tokens together must fit.
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

    temperature: 0 takes the most likely token; otherwise logits are divided by it before one is drawn. top_k: number of
    most likely tokens to draw among; None for all. seed: of the random draws.
    """

    temperature: float = 0.0
    top_k: int | None = None
    seed: int = 0

    def check(self, vocabulary: int) -> None:
        """Raise DeployError if the temperature is negative or infinite, or ``top_k`` is not in 1 to ``vocabulary``."""
        if not 0 <= self.temperature < float("inf"):
            raise DeployError(
                f"--temperature {self.temperature:g}: give 0 for the most likely token, or a number above"
            )
        if self.top_k is not None and not 1 <= self.top_k <= vocabulary:
            raise DeployError(f"--top-k {self.top_k}: the model knows {vocabulary:,} tokens; give 1 to as many")

    def of(self, logits: np.ndarray, draws: np.random.Generator) -> int:
        """Choose the next token's number from logits (vocabulary,)."""
        if self.temperature == 0:
            return int(logits.argmax())
        scaled = torch.from_numpy(logits).double() / self.temperature
        if self.top_k is not None:
            scaled[scaled < scaled.topk(self.top_k).values[-1]] = -torch.inf
        share = scaled.softmax(-1).numpy()
        return int(draws.choice(len(share), p=share / share.sum()))


GREEDY = Choice()
"""Always takes the most likely token."""


@dataclass(frozen=True)
class Token:
    """One new token: its number, the text that it adds, and what its logits took.

    tokens: how many were run for them, with the prompt's for the first one. spikes, microjoules: of these tokens' run.
    steps: time steps of the run, 0 for the original model.
    """

    number: int
    text: str
    tokens: int
    spikes: int
    microjoules: float
    steps: int


def language_of(model: LoadedModel) -> TextInput:
    """How a causal language model takes text: its tokenizer, vocabulary and window.

    Raises:
        DeployError: the model is no causal language model.
    """
    if model.text is None or not model.text.causal:
        raise DeployError(f"{model.spec} is no language model, which is what goes on with text")
    return model.text


def prompt_tokens(prompt: str | Turns, text: TextInput, chat: bool) -> list[int]:
    """Token numbers of a prompt; with ``chat`` and a tokenizer that has a chat template, a text becomes a user's turn.

    Raises:
        DeployError: the prompt is empty, is neither text nor turns, has an unknown role, or has turns without a chat
            template; or the template or the tokenizer does not take it.
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
        except Exception as error:  # templates are programs that raise errors of their own
            raise DeployError(
                f"--prompt: the chat template of {text.tokenizer} does not take it ({first_line(error)}); give --no-chat"
            ) from error
    elif not isinstance(prompt, str):
        raise DeployError(
            f"the prompt has turns, but the tokenizer of {text.tokenizer} has no chat template; give a text"
        )
    return [int(number) for number in encoded(str(prompt), text, "--prompt")]


def generate(source: Source, prompt: Sequence[int], most: int, choice: Choice, text: TextInput) -> Iterator[Token]:
    """Yield new tokens until there are ``most`` of them or the tokenizer's end token has been yielded.

    Args:
        source: of the logits.
        prompt: token numbers to continue.
        most: largest number of new tokens.
        choice: how the next token is chosen.
        text: names the tokenizer that decodes token numbers.

    Raises:
        DeployError: prompt and new tokens exceed the window, or a token number is outside of the vocabulary.
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
