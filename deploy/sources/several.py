"""transformers models of several inputs: encoder-decoders, and models of image and text; a data file names each input."""

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
"""What builds a model that writes, with the names of the classes that it builds."""
TOKENS = InputSpec("int64", (None,))


class SequenceToSequence(nn.Module):
    """An encoder-decoder with one tensor as its result, for a decoder that is given all its tokens at once.

    main: name of the encoder's input, (N, tokens) int64 or a sound's features (N, bands, frames) float32. output: field
    of the result to keep, `logits` or `last_hidden_state`, (N, decoder's tokens, ...).
    """

    def __init__(self, model: nn.Module, main: str, output: str) -> None:
        super().__init__()
        self.model, self.main, self.output = model, main, output

    def forward(self, source: torch.Tensor, *rest: torch.Tensor) -> torch.Tensor:
        """``rest``: the encoder's mask, where it takes tokens, and the decoder's tokens."""
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
        """input_ids, attention_mask: (N, tokens) int64. pixel_values: (N, channels, height, width), as its processor gives."""
        scores = self.model(input_ids=input_ids, attention_mask=attention_mask, pixel_values=pixel_values)
        return scores.logits_per_image.diagonal()[:, None]


def writer(architecture: str) -> Any:
    """The class that builds an encoder-decoder which gives scores of words; None if the architecture is none."""
    for builder, names in WRITERS:
        if architecture in names.values():
            return builder
    return None


def several(model: nn.Module, config: Any, output: str) -> tuple[nn.Module, Mapping[str, InputSpec]] | None:
    """A module with one tensor as its result, and its arguments by name; None for a model of one input and its mask."""
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
