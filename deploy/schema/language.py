"""How a spiking language model predicts and writes text, beside its original."""

from __future__ import annotations

from deploy.schema.parts import Count, Fraction, Number, part


@part
class Language:
    """How a spiking language model predicts text beside its original.

    Attributes:
        tokens: how many tokens were predicted, each once.
        window, stride: tokens of a window that is read at once, and tokens from the start of one window to the next.
        original_perplexity, spiking_perplexity: exp of the mean negative log-likelihood.
        next_token_agreement: share of predictions in which both networks have the same most likely next token.
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
    """Greedy continuations of a text by the original language model and by the spiking one.

    Attributes:
        prompt: the beginning of the first evaluation text.
        original, spiking: the text of each new token, up to a fixed number of tokens or the end token.
        spikes_per_token, microjoules_per_token: mean over the spiking network's new tokens except the first, whose run
            also includes the prompt; absent if there is only one new token.
    """

    prompt: str
    original: tuple[str, ...]
    spiking: tuple[str, ...]
    spikes_per_token: Number | None = None
    microjoules_per_token: Number | None = None
