"""Measures all-MiniLM-L6-v2 as a spiking network: cosine of sentence embeddings to the original's, movie sentiment.

    python -m benchmarks.minilm --timesteps 40 --base 1.15 --spikes 1 --precision float --sentences 500

Everything in the network spikes; the host computes the token embeddings and averages the readout over a sentence's
tokens. A logistic head is fitted to the original's embeddings of sentences outside the calibration and evaluation sets.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

import numpy as np
import typer
from rich.console import Console

from benchmarks import material
from benchmarks.probe import fit_head
from benchmarks.subject import Case, Subject, in_batches, table
from deploy.sources import load_model

TOKENS = 64  # the 6 of 10,605 sentences that are longer are cut
HEAD_SENTENCES = 4000


def tokenised(sentences: list[str]) -> list[np.ndarray]:
    """Tokenise sentences, padded or cut to TOKENS: [token ids, attention mask], int64 (N, TOKENS) each."""
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(material.minilm())
    encoded = tokenizer(sentences, padding="max_length", truncation=True, max_length=TOKENS, return_tensors="np")
    return [np.asarray(encoded[name], np.int64) for name in ("input_ids", "attention_mask")]


def pooled(outputs: np.ndarray, arguments: Sequence[np.ndarray]) -> np.ndarray:
    """Sentence embeddings (N, features): the mean of outputs (N, tokens, features) over the tokens in the mask."""
    mask = arguments[1]
    weights = (mask / mask.sum(1, keepdims=True)).astype(outputs.dtype)
    return np.einsum("nt,ntf->nf", weights, outputs.reshape(*mask.shape, -1))


def subject(sentences: int, calibration: int) -> Subject:
    """MiniLM with the first ``sentences`` to evaluate on, the ``calibration`` next ones, a head fitted to others."""
    texts, labels = material.movie_sentences()
    fit = slice(sentences, sentences + calibration)
    head_on = slice(fit.stop, fit.stop + HEAD_SENTENCES)
    module = load_model(f"hf:{material.minilm()}").module
    arguments = tokenised(texts[head_on])
    head = fit_head(in_batches(module, arguments, arguments, pooled)[0], labels[head_on])
    held = tokenised(texts[:sentences])
    name = "all-MiniLM-L6-v2, movie sentences"
    return Subject(name, module, tokenised(texts[fit]), held, labels[:sentences], head, pooled)


def main(
    timesteps: Annotated[int, typer.Option(help="T, steps of a window.")] = 40,
    base: Annotated[str, typer.Option(help="B, or auto.")] = "1.15",
    spikes: Annotated[int, typer.Option(help="Most spikes of a neuron in a window.")] = 1,
    precision: Annotated[str, typer.Option(help="float, or fixed, which runs both.")] = "float",
    sentences: Annotated[int, typer.Option(help="Sentences to evaluate on.")] = 500,
    calibration: Annotated[int, typer.Option(help="Other sentences that set the scales.")] = 256,
) -> None:
    """Cosine of MiniLM's sentence embeddings and accuracy of movie sentiment, original and spiking."""
    chosen = None if base == "auto" else float(base)
    kinds = ("float", "fixed") if precision == "fixed" else ("float",)
    cases = [Case(timesteps, spikes, kind, chosen, spikes) for kind in kinds]
    Console().print(table(subject(sentences, calibration), cases))


if __name__ == "__main__":
    typer.run(main)
