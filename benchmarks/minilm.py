"""all-MiniLM-L6-v2 as a spiking network: cosine of its sentence embeddings to the original's, and movie sentiment.

    python -m benchmarks.minilm --timesteps 40 --base 1.15 --spikes 1 --precision float --sentences 500

Everything in the network spikes; the host looks embeddings up, and averages the readout over a sentence's tokens. A
logistic head is fitted to the original's embeddings of sentences that are neither calibrated nor evaluated on.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Annotated, NamedTuple

import numpy as np
import torch
import typer
from rich.console import Console
from rich.table import Table

from benchmarks import material
from benchmarks.probe import fit_head
from converters.pipeline import convert_module, network_input
from deploy.measure.metrics import output_cosine
from deploy.sources import load_model
from targets.closed_form import ClosedForm

TOKENS = 64  # 6 of the 10,605 sentences are longer, and cut
HEAD_SENTENCES = 4000
BATCH = 50


class Result(NamedTuple):
    """One network on the evaluation sentences; accuracies are fractions."""

    name: str
    cosine: float
    accuracy: float
    agreement: float
    seconds: float


def tokenised(sentences: list[str]) -> list[np.ndarray]:
    """Token ids and mask, int64 (N, TOKENS) each."""
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(material.minilm())
    encoded = tokenizer(sentences, padding="max_length", truncation=True, max_length=TOKENS, return_tensors="np")
    return [np.asarray(encoded[name], np.int64) for name in ("input_ids", "attention_mask")]


def pooled(tokens: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """Sentence embeddings (N, features): the mean of (N, TOKENS, features) over the tokens that take part."""
    weights = (mask / mask.sum(1, keepdims=True)).astype(tokens.dtype)
    return np.einsum("nt,ntf->nf", weights, tokens.reshape(len(mask), TOKENS, -1))


def original(module: torch.nn.Module, arguments: list[np.ndarray]) -> np.ndarray:
    """The trained model's embeddings."""
    parts = []
    with torch.inference_mode():
        for start in range(0, len(arguments[0]), BATCH):
            batch = [a[start : start + BATCH] for a in arguments]
            parts.append(pooled(module(*map(torch.from_numpy, batch)).numpy(), batch[1]))
    return np.concatenate(parts)


def evaluate(
    timesteps: int, base: float | None, spikes: int, precision: str, sentences: int, calibration: int
) -> Iterator[Result]:
    """The original, the floating-point network and, with ``precision`` "fixed", the integer one, as each is done."""
    texts, labels = material.movie_sentences()
    held = texts[:sentences]
    fit = slice(sentences, sentences + calibration)
    head_on = slice(fit.stop, fit.stop + HEAD_SENTENCES)
    module = load_model(f"hf:{material.minilm()}").module
    head = fit_head(original(module, tokenised(texts[head_on])), labels[head_on])
    arguments = tokenised(held)
    begin = time.perf_counter()
    wanted = original(module, arguments)
    seconds = (time.perf_counter() - begin) / len(held)
    predicted = head(wanted).argmax(1)
    truth = labels[:sentences]
    yield Result("original", 1.0, float((predicted == truth).mean()), 1.0, seconds)
    conversion = convert_module(
        module, tokenised(texts[fit]), timesteps, base, spikes=spikes, input_spikes=spikes, fixed=precision == "fixed"
    )
    samples = network_input(conversion.front, arguments)
    networks = {"spiking, float": conversion.calibrated, "spiking, fixed": conversion.fixed}
    for name, network in networks.items():
        if network is None:
            continue
        runner = ClosedForm(network)
        begin = time.perf_counter()
        parts = [
            pooled(runner.real(runner.run(samples[i : i + BATCH])).numpy(), arguments[1][i : i + BATCH])
            for i in range(0, len(held), BATCH)
        ]
        seconds = (time.perf_counter() - begin) / len(held)
        found = np.concatenate(parts)
        guess = head(found).argmax(1)
        accuracy, agreement = float((guess == truth).mean()), float((guess == predicted).mean())
        yield Result(f"{name}, B = {network.about['base']}", output_cosine(found, wanted), accuracy, agreement, seconds)


def table(timesteps: int, base: float | None, spikes: int, precision: str, sentences: int, calibration: int) -> Table:
    """Arguments as :func:`main`'s; base None chooses it on calibration data."""
    title = f"all-MiniLM-L6-v2, {sentences} movie sentences, T = {timesteps}, {spikes} spike(s) per value"
    found = Table("network", "cosine", "sentiment", "same answer", "ms per sentence", title=title, title_justify="left")
    for row in evaluate(timesteps, base, spikes, precision, sentences, calibration):
        found.add_row(
            row.name, f"{row.cosine:.5f}", f"{row.accuracy:.2%}", f"{row.agreement:.2%}", f"{1000 * row.seconds:.1f}"
        )
    return found


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
    Console().print(table(timesteps, chosen, spikes, precision, sentences, calibration))


if __name__ == "__main__":
    typer.run(main)
