"""Perplexity of text in windows, and divergence of a spiking language model's predictions from its original's.

A text is read in overlapping windows, and each of its tokens is predicted once, from the tokens of a window before it:
the first window counts all tokens but the first, each further one its last ``stride`` (the fixed-length procedure of
Hugging Face's perplexity guide). Perplexity is exp of the mean negative log-likelihood.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch

from deploy.errors import DeployError
from deploy.schema import Language

COLUMNS = ("tokens", "original", "spiking", "divergence", "same")
"""Numbers kept of a window: tokens counted, and sums over them of the negative log-likelihoods of both models, of the
Kullback-Leibler divergence of the spiking predictions from the original's (nats), and of equal most likely tokens."""


@dataclass(frozen=True)
class Windows:
    """Token numbers (N, T) int64 of N windows, and the tokens of each that count, [first, last + 1), (N, 2) int64."""

    tokens: np.ndarray
    counted: np.ndarray


def windows(document: np.ndarray, length: int, stride: int) -> Windows:
    """Cut a document's token numbers (tokens,) into windows of ``length`` that begin ``stride`` tokens apart.

    The last window is filled up with copies of its last token, which do not count; causal attention never reads them.

    Raises:
        DeployError: there are fewer than two tokens, or the stride is not in 1 to ``length``.
    """
    if not 1 <= stride <= length:
        raise DeployError(f"--stride {stride}: windows have {length} tokens; give 1 to {length}")
    if len(document) < 2:
        raise DeployError(f"the text has {len(document)} tokens; at least 2 are needed to predict one")
    tokens, counted, before = [], [], 1  # the first token has nothing before it to be predicted from
    for begin in range(0, len(document), stride):
        end = min(begin + length, len(document))
        if end > before:
            part = document[begin:end]
            tokens.append(np.pad(part, (0, length - len(part)), mode="edge"))
            counted.append((before - begin, end - begin))
        before = end
        if end == len(document):
            break
    return Windows(np.stack(tokens).astype(np.int64), np.array(counted, np.int64))


def scores(original: np.ndarray, spiking: np.ndarray, given: Windows) -> np.ndarray:
    """A row of ``COLUMNS`` for each window, (N, 5) float64, from the logits (N, T, vocabulary) of both models."""
    rows = np.zeros((len(given.tokens), len(COLUMNS)))
    for row, wanted, found, tokens, (first, last) in zip(
        rows, original, spiking, given.tokens, given.counted, strict=True
    ):
        places = slice(max(first, 1) - 1, last - 1)  # a token is predicted by the logits one place before it
        ours, theirs = (torch.from_numpy(y[places]).double().log_softmax(-1) for y in (found, wanted))
        next_tokens = torch.from_numpy(tokens[max(first, 1) : last])[:, None]
        row[:] = (
            len(next_tokens), -float(theirs.gather(-1, next_tokens).sum()), -float(ours.gather(-1, next_tokens).sum()),
            float((theirs.exp() * (theirs - ours)).sum()), float((theirs.argmax(-1) == ours.argmax(-1)).sum()),
        )  # fmt: skip
    return rows


def summary(rows: np.ndarray, window: int, stride: int) -> Language:
    """Perplexities, agreement and divergence from rows of ``COLUMNS`` (N, 5); ``window``, ``stride``: in tokens."""
    tokens, original, spiking, divergence, same = rows.sum(0)
    return Language(
        tokens=int(tokens), window=window, stride=stride,
        original_perplexity=float(np.exp(original / tokens)), spiking_perplexity=float(np.exp(spiking / tokens)),
        next_token_agreement=float(same / tokens), divergence=float(divergence / tokens),
    )  # fmt: skip
