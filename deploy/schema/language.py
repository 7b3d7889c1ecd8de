"""How a spiking language model predicts and writes text, beside its original."""

from __future__ import annotations

from deploy.schema.parts import Count, Fraction, Number, part


@part
class Language:
    """How a spiking language model predicts text beside its original.

    Attributes:
        tokens: how many were predicted, each once. window, stride: tokens that are read together, and from one to the next.
        original_perplexity, spiking_perplexity: exp of the mean negative log-likelihood.
        next_token_agreement: share of tokens whose most likely successor is the same.
        divergence: mean Kullback-Leibler divergence of the spiking predictions from the original's, in nats.
    """

    tokens: Count
    window: Count
    stride: Count
    original_perplexity: Number
    spiking_perplexity: Number
    next_token_agreement: Fraction
    divergence: Number


@part
class Written:
    """What both networks of a language model go on with after a text, each with the most likely token at a time.

    Attributes:
        prompt: the beginning of the first evaluation text.
        original, spiking: what new tokens add to the text, one by one, until so many are there or the end token comes.
        spikes_per_token, microjoules_per_token: of the spiking network's new tokens but the first, which the prompt is run for.
    """

    prompt: str
    original: tuple[str, ...]
    spiking: tuple[str, ...]
    spikes_per_token: Number | None = None
    microjoules_per_token: Number | None = None
