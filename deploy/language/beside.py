"""A spiking language model beside its original in a report: how it predicts texts, and what it goes on with."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from deploy.errors import DeployError
from deploy.language.following import original, spiking
from deploy.language.generate import GREEDY, Token, generate
from deploy.language.scores import Windows, scores, summary
from deploy.schema import Language, Written
from deploy.sources.loaded import LoadedModel, TextInput
from deploy.sources.texts import tokenizer_of
from processes.network import Network

PROMPT = 16  # tokens at most, and half of the window
NEW = 24  # tokens that are written at most


def predicted(
    model: LoadedModel, wanted: np.ndarray, found: np.ndarray, inputs: Mapping[str, np.ndarray]
) -> Language | None:
    """How a language model's outputs and its network's (N, T, vocabulary) predict texts, each from its own window alone.

    ``inputs``: token numbers ``input_ids`` (N, T). None of other models, and of windows of one token, which predict nothing.
    """
    if model.text is None or not model.text.causal:
        return None
    tokens = inputs["input_ids"]
    count, window = tokens.shape
    if window < 2:
        return None
    given = Windows(tokens, np.tile([1, window], (count, 1)))
    rows = scores(wanted.reshape(count, window, -1), found.reshape(count, window, -1), given)
    return summary(rows, window, window)


def written(network: Network, model: LoadedModel, text: TextInput, tokens: np.ndarray) -> Written | None:
    """What both go on with after the beginning of a text (T,), T of at least 2; None where there is no tokenizer."""
    try:
        tokenizer = tokenizer_of(text)
    except DeployError:  # token numbers were given
        return None
    window = network.input_shape[1]
    prompt = [int(number) for number in tokens[: min(PROMPT, window // 2)]]
    theirs, ours = (
        list(generate(source, prompt, min(NEW, window - len(prompt)), GREEDY, text))
        for source in (original(model, window), spiking(network, model, "closed-form"))
    )
    later = ours[1:]
    return Written(
        prompt=str(tokenizer.decode(prompt)), original=_texts(theirs), spiking=_texts(ours),
        spikes_per_token=sum(token.spikes for token in later) / len(later) if later else None,
        microjoules_per_token=sum(token.microjoules for token in later) / len(later) if later else None,
    )  # fmt: skip


def _texts(tokens: list[Token]) -> tuple[str, ...]:
    return tuple(token.text for token in tokens)
