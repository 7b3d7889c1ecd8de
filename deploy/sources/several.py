"""transformers models with several inputs, each named in a data file: encoder-decoders, models of image and text."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import Any

import torch
import transformers
from torch import nn
from transformers.models.auto import modeling_auto

from deploy.sources.loaded import InputSpec

WRITERS = (
    (transformers.AutoModelForSpeechSeq2Seq, modeling_auto.MODEL_FOR_SPEECH_SEQ_2_SEQ_MAPPING_NAMES),
    (transformers.AutoModelForSeq2SeqLM, modeling_auto.MODEL_FOR_SEQ_TO_SEQ_CAUSAL_LM_MAPPING_NAMES),
)
"""Auto classes that build encoder-decoders with scores of words, each with the names of the classes that it builds."""
TOKENS = InputSpec("int64", (None,))


class SequenceToSequence(nn.Module):
    """Wrapper of an encoder-decoder whose decoder is given all its tokens at once; returns one tensor.

    Args:
        model: the encoder-decoder.
        main: name of the encoder's input, (N, tokens) int64 or a sound's features (N, bands, frames) float32.
        output: field of the result to return, `logits` or `last_hidden_state`, (N, decoder's tokens, ...).
    """

    def __init__(self, model: nn.Module, main: str, output: str) -> None:
        super().__init__()
        self.model, self.main, self.output = model, main, output

    def forward(self, source: torch.Tensor, *rest: torch.Tensor) -> torch.Tensor:
        """Run both parts; ``rest``: the encoder's attention mask if it takes tokens, then the decoder's tokens."""
        names = ("attention_mask", "decoder_input_ids") if len(rest) > 1 else ("decoder_input_ids",)
        given = {self.main: source, **dict(zip(names, rest, strict=True))}
        return getattr(self.model(**given, use_cache=False), self.output)


class ImageAndText(nn.Module):
    """A model of images and texts that scores each pair, (N, 1)."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(
        self, input_ids: torch.Tensor, attention_mask: torch.Tensor, pixel_values: torch.Tensor
    ) -> torch.Tensor:
        """Score each pair, (N, 1).

        Args:
            input_ids: (N, tokens) int64.
            attention_mask: (N, tokens) int64, 0 for padding.
            pixel_values: (N, channels, height, width) float32, normalised as the model's processor does.
        """
        scores = self.model(input_ids=input_ids, attention_mask=attention_mask, pixel_values=pixel_values)
        return scores.logits_per_image.diagonal()[:, None]


def writer(architecture: str) -> Any:
    """The auto class that builds the encoder-decoder of this architecture; None if it is no such model."""
    for builder, names in WRITERS:
        if architecture in names.values():
            return builder
    return None


def several(model: nn.Module, config: Any, output: str) -> tuple[nn.Module, Mapping[str, InputSpec]] | None:
    """Wrap a model with several inputs: a module that returns one tensor, and the specifications of its arguments.

    None for other models, which take one input and perhaps its attention mask.
    """
    takes = inspect.signature(model.forward).parameters
    vision = getattr(config, "vision_config", None)
    if "decoder_input_ids" in takes and not type(model).__name__.endswith("Classification"):
        main = str(getattr(model, "main_input_name", "input_ids"))
        wrapped = SequenceToSequence(model, main, output)
        if main == "input_ids":
            return wrapped, {main: TOKENS, "attention_mask": TOKENS, "decoder_input_ids": TOKENS}
        shape = (config.num_mel_bins, 2 * config.max_source_positions) if main == "input_features" else None
        return wrapped, {main: InputSpec("float32", shape), "decoder_input_ids": TOKENS}
    if vision is not None and {"input_ids", "pixel_values"} <= set(takes) and output == "last_hidden_state":
        pixels = InputSpec("float32", (vision.num_channels, vision.image_size, vision.image_size))
        return ImageAndText(model), {"input_ids": TOKENS, "attention_mask": TOKENS, "pixel_values": pixels}
    return None
