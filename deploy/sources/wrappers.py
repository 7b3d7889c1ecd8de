"""Modules put around foreign models, so that each takes raw inputs and returns one tensor."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

import torch
from torch import nn

PREFIX = "model."
"""What the wrappers put before a parameter's name."""


class Normalised(nn.Module):
    """An image model that takes raw pixels: model((x - mean) / std).

    x: (N, channels, height, width) float32 in [0, 1]. The captured graph then holds the normalisation, which
    lowering folds into the first layer; spikes code pixels as they are. output: the field to return
    of a model that returns a record (transformers), or None if it returns a tensor.
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
    """A transformers model of one real input (a waveform, its features, a time series) and one tensor as its result.

    x: (N, ...) float32, given as ``argument``. output: the field of the result to return.
    """

    def __init__(self, model: nn.Module, argument: str, output: str) -> None:
        super().__init__()
        self.model, self.argument, self.output = model, argument, output

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return getattr(self.model(**{self.argument: x}), self.output)


class LanguageModel(nn.Module):
    """A transformers language model as a function of its tokens alone.

    input_ids: (N, tokens) int64. Returns logits (N, tokens, vocabulary): of each token's successor.
    """

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, input_ids: torch.Tensor) -> torch.Tensor:
        return self.model(input_ids=input_ids, use_cache=False).logits


class TextModel(nn.Module):
    """A transformers text model with two arguments and one tensor as its result.

    input_ids, attention_mask: (N, tokens) int64. output: `logits` (N, classes), or `last_hidden_state`
    (N, tokens, features).
    """

    def __init__(self, model: nn.Module, output: str) -> None:
        super().__init__()
        self.model = model
        self.output = output

    def forward(self, input_ids: torch.Tensor, attention_mask: torch.Tensor) -> torch.Tensor:
        return getattr(self.model(input_ids=input_ids, attention_mask=attention_mask), self.output)
