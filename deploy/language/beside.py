"""A spiking language model beside its original in a report: how it predicts texts, and what it goes on with."""

from __future__ import annotations

import numpy as np

from deploy.errors import DeployError
from deploy.language.following import original, spiking
from deploy.language.generate import GREEDY, Token, generate
from deploy.language.scores import Windows, scores, summary
from deploy.schema import Language, Written
from deploy.sources.loaded import LoadedModel
from deploy.sources.texts import tokenizer_of
from processes.network import Network

PROMPT = 16  # tokens at most, and half of the window
NEW = 24  # tokens that are written at most


def predicted(wanted: np.ndarray, found: np.ndarray, tokens: np.ndarray) -> Language | None:
    """How the original's outputs and the network's (N, T, vocabulary) predict texts (N, T), each from its own window alone.

    None of windows of one token, which predict nothing.
    """
    count, window = tokens.shape
    if window < 2:
        return None
    given = Windows(tokens, np.tile([1, window], (count, 1)))
    rows = scores(wanted.reshape(count, window, -1), found.reshape(count, window, -1), given)
    return summary(rows, window, window)


def written(network: Network, model: LoadedModel, tokens: np.ndarray) -> Written | None:
    """What both go on with after the beginning of a text (T,); None where tokens cannot become text, or none fit."""
    assert model.text is not None
    window = network.input_shape[1]
    prompt = [int(number) for number in tokens[: min(PROMPT, window // 2)]]
    most = min(NEW, window - len(prompt))
    if not prompt or not most:
        return None
    try:
        begin = str(tokenizer_of(model.text).decode(prompt))
        theirs, ours = (
            list(generate(source, prompt, most, GREEDY, model.text))
            for source in (original(model, window), spiking(network, model, "closed-form"))
        )
    except DeployError:  # there is no tokenizer: token numbers were given
        return None
    later = ours[1:]
    return Written(
        prompt=begin, original=_texts(theirs), spiking=_texts(ours),
        spikes_per_token=sum(token.spikes for token in later) / len(later) if later else None,
        microjoules_per_token=sum(token.microjoules for token in later) / len(later) if later else None,
    )  # fmt: skip


def _texts(tokens: list[Token]) -> tuple[str, ...]:
    return tuple(token.text for token in tokens)
