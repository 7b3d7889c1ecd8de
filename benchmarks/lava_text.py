"""Runs sentences through the trained MiniLM's first blocks on Lava, and compares them with the closed form.

    python -m benchmarks.lava_text
    python -m benchmarks.lava_text --blocks 6 --timesteps 40

Fixed point, one Lava Process per block; the host computes the embeddings. Sentences are padded to 64 tokens. Every
spike and potential is compared.
"""

from __future__ import annotations

from typing import Annotated

import typer

from benchmarks import material
from benchmarks.minilm import tokenised
from benchmarks.on_lava import compare_on_lava
from converters.pipeline import convert_module, network_input
from deploy.sources import load_model


def main(
    blocks: Annotated[int, typer.Option(help="Transformer blocks, from the first one; all are 6.", min=1, max=6)] = 1,
    timesteps: Annotated[int, typer.Option(help="T, steps of a window.")] = 16,
    spikes: Annotated[int, typer.Option(help="Most spikes of a neuron in a window.")] = 2,
    sentences: Annotated[int, typer.Option(help="Sentences to step through.")] = 1,
    calibration: Annotated[int, typer.Option(help="Other sentences that set the scales.")] = 32,
) -> None:
    """Convert, run, compare."""
    module = load_model(f"hf:{material.minilm()}").module
    layers = module.get_submodule("model.encoder.layer")
    del layers[blocks:]  # type: ignore[attr-defined]
    texts, _ = material.movie_sentences()
    held, fit = (tokenised(texts[part]) for part in (slice(sentences), slice(sentences, sentences + calibration)))
    conversion = convert_module(module, fit, timesteps, spikes=spikes, input_spikes=spikes)
    samples = network_input(conversion.front, held)
    title = f"MiniLM, {blocks} block(s), {spikes} spike(s), T = {timesteps}, {sentences} sentence(s)"
    compare_on_lava(title, conversion.network, samples)


if __name__ == "__main__":
    typer.run(main)
