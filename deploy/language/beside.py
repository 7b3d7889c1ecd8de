"""A spiking language model beside its original in a report: how both predict texts, and what both generate."""

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

PROMPT = 16  # largest number of prompt tokens, of which half a window is also the limit
NEW = 24  # largest number of new tokens


def predicted(
    model: LoadedModel, wanted: np.ndarray, found: np.ndarray, inputs: Mapping[str, np.ndarray]
) -> Language | None:
    """Perplexity, agreement and divergence of logits ``wanted`` (original) and ``found`` (spiking), (N, T, vocabulary).

    ``inputs``: has the token numbers ``input_ids`` (N, T); each window is predicted from its own tokens alone.

    Returns:
        None if the model is no causal language model, or windows have one token, which predicts nothing.
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
    """Text that both models generate after the first of ``tokens`` (T,), T >= 2; None if there is no tokenizer."""
    try:
        tokenizer = tokenizer_of(text)
    except DeployError:  # data came as token numbers, with no tokenizer
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
