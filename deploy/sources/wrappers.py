"""Wrappers of foreign models, so that each takes raw inputs and returns one tensor."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

import torch
from torch import nn

PREFIX = "model."
"""Prefix that the wrappers add to the names of the wrapped model's parameters."""


class Normalised(nn.Module):
    """An image model that takes raw pixels: model((x - mean) / std), x (N, channels, height, width) float32 in [0, 1].

    The captured graph then holds the normalisation, which lowering folds into the first layer, and spikes code raw
    pixels.

    Args:
        model: takes normalised images.
        mean: of each channel.
        std: standard deviation of each channel.
        output: the field to return of a model that returns a record (transformers); None for one that returns a tensor.
    """

    def __init__(
        self, model: nn.Module, mean: Sequence[float], std: Sequence[float], output: str | None = None
    ) -> None:
        super().__init__()
        self.model = model
        self.output = output
        self.register_buffer("mean", torch.tensor(list(mean)).reshape(1, -1, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(list(std)).reshape(1, -1, 1, 1), persistent=False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        mean, std = cast(torch.Tensor, self.mean), cast(torch.Tensor, self.std)
        result = self.model((x - mean) / std)
        return result if self.output is None else getattr(result, self.output)


class OneInput(nn.Module):
    """A transformers model of one real-valued input (a waveform, its features, a time series) that returns one tensor.

    Args:
        model: the model.
        argument: name of the model's argument that takes x (N, ...) float32.
        output: the field of the model's result to return.
    """

    def __init__(self, model: nn.Module, argument: str, output: str) -> None:
        super().__init__()
        self.model, self.argument, self.output = model, argument, output

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return getattr(self.model(**{self.argument: x}), self.output)


class LanguageModel(nn.Module):
    """A transformers language model as a function of its tokens alone.

    Maps input_ids (N, tokens) int64 to logits (N, tokens, vocabulary) of the token that follows each token.
    """

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, input_ids: torch.Tensor) -> torch.Tensor:
        return self.model(input_ids=input_ids, use_cache=False).logits


class TextModel(nn.Module):
    """A transformers text model that takes input_ids and attention_mask, (N, tokens) int64, and returns one tensor.

    ``output``: the field to return, `logits` (N, classes) or `last_hidden_state` (N, tokens, features).
    """

    def __init__(self, model: nn.Module, output: str) -> None:
        super().__init__()
        self.model = model
        self.output = output

    def forward(self, input_ids: torch.Tensor, attention_mask: torch.Tensor) -> torch.Tensor:
        return getattr(self.model(input_ids=input_ids, attention_mask=attention_mask), self.output)
