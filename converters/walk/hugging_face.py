"""Every architecture of transformers, built as small as its configuration allows."""

from __future__ import annotations

import inspect
import math
from collections.abc import Iterator, Sequence
from typing import Any

import torch
import transformers
from transformers.models.auto import modeling_auto

from converters.walk import LeftOut, Model, Subject
from converters.walk.small import TOKENS, shrink

TASKS = ("IMAGE_CLASSIFICATION", "CAUSAL_LM", "SEQUENCE_CLASSIFICATION", "AUDIO_CLASSIFICATION", "MASKED_LM", "CTC")
"""Tasks by preference: an architecture's model for the first one that it has is walked, or its model without a head."""
SAMPLES = 2
MOST = 100_000_000
"""Most parameters of a model whose configuration was made small; with more it is not built."""
IMAGES = (32, 64, 128, 224, 256)
WAVEFORM = 2000
"""Length of a recording, in samples."""
WHOLE = 1920
"""Length of a recording for codecs, which take one channel in whole frames, in samples."""
BANDS = 80, 128, 160, 320
"""Numbers of bands of a spectrogram, where the configuration does not say it."""
FRAMES = 2
"""Number of images for a model that takes several, or a video, unless its configuration says another number."""
GRID = 4, 4
"""Rows and columns of patches of an image for a vision tower."""
KNOWN = {
    "input_ids",
    "attention_mask",
    "decoder_input_ids",
    "pixel_values",
    "input_values",
    "input_features",
    "past_values",
    "pixel_values_videos",
}
"""Main inputs for which samples can be made; models with another one are left out."""
BESIDE = ((), ("decoder_input_ids",), ("pixel_values",), ("attention_mask", "pixel_values"), ("input_ids",), ("bbox",),
          ("decoder_input_ids", "bbox"), ("input_features_mask",), ("decoder_input_ids", "attention_mask"))  # fmt: skip
"""Further arguments that are tried beside the main one, in this order."""
RESULTS = ("logits", "logits_per_image", "prediction_logits", "prediction_outputs", "last_hidden_state")


def subjects() -> Iterator[Subject]:
    """A subject for every architecture of transformers that has a model of its own."""
    for kind, names in modeling_auto.MODEL_MAPPING_NAMES.items():
        first = names if isinstance(names, str) else names[0]
        name = next((found for task in TASKS if (found := _head(task, kind))), first)
        yield Subject(f"transformers {kind}", lambda kind=kind, heads=(name, first): _either(kind, *heads))


def _either(kind: str, head: str, bare: str) -> tuple[str, Model]:
    """The architecture with its head or, where that cannot be run, without it."""
    try:
        return built(kind, head)
    except LeftOut:
        if head == bare:
            raise
        return built(kind, bare)


def _head(task: str, kind: str) -> str | None:
    name = getattr(modeling_auto, f"MODEL_FOR_{task}_MAPPING_NAMES").get(kind)
    return name if name is None or isinstance(name, str) else name[0]


class OneTensor(torch.nn.Module):
    """A model of transformers that takes tensors by position and returns one: scores, hidden states or its first."""

    def __init__(self, model: torch.nn.Module, arguments: Sequence[str]) -> None:
        super().__init__()
        self.model, self.arguments = model, tuple(arguments)

    def forward(self, *tensors: torch.Tensor) -> torch.Tensor:
        """The first of ``RESULTS`` that the model returns, or else its first result."""
        result = self.model(**dict(zip(self.arguments, tensors, strict=True)))
        for name in RESULTS:
            if getattr(result, name, None) is not None:
                return getattr(result, name)
        return result[0]


class Tower(torch.nn.Module):
    """The vision tower of a model of transformers, for one image: it takes (1, patches, ...) and the image's grid is its own.

    Such towers take the patches of all images in one row, and the grids by which they belong to images.
    """

    def __init__(self, model: torch.nn.Module, main: str, fixed: dict[str, torch.Tensor]) -> None:
        super().__init__()
        self.model, self.main, self.names = model, main, tuple(fixed)
        for name, value in fixed.items():
            self.register_buffer(name, value)

    def forward(self, patches: torch.Tensor) -> torch.Tensor:
        """The tower's last hidden states, with a leading axis for the image."""
        fixed = {name: getattr(self, name) for name in self.names}
        result = self.model(**{self.main: patches[0]}, **fixed)
        found = next((getattr(result, name) for name in RESULTS if getattr(result, name, None) is not None), result)
        while not isinstance(found, torch.Tensor):
            found = found[0]
        return found[None]


def built(kind: str, name: str) -> tuple[str, Model]:
    """Build the model class ``name`` of an architecture with random weights, small where its configuration allows it.

    Returns:
        What was built, in words, and the model with samples that it runs on.

    Raises:
        LeftOut: the model cannot be built from its configuration alone, or does not run on any samples that can be
            made.
    """
    reasons: list[str] = []
    for widths, stages in ((True, True), (True, False), (False, False)):
        for size in IMAGES:
            try:
                model = _model(kind, name, size, widths, stages)
            except Exception as error:  # a size that does not fit the rest says so in any way
                reasons.append(_first_line(error))
                continue
            main = str(getattr(model, "main_input_name", "input_ids"))
            takes = set(inspect.signature(model.forward).parameters)
            if "grid_thw" in takes:
                return _tower(name, model, takes)
            if main not in KNOWN:
                raise LeftOut(f"{name} takes {main}")
            for arguments in ((main, *beside) for beside in BESIDE if takes.issuperset(beside) and main not in beside):
                whole = OneTensor(model, arguments).eval()
                for samples in _samples(model.config, arguments, size):
                    try:
                        with torch.no_grad():
                            given = whole(*(sample[:1] for sample in samples))
                    except Exception as error:
                        reasons.append(_first_line(error))
                        continue
                    if isinstance(given, torch.Tensor) and given.is_floating_point():
                        return f"{name}, {size} pixels" if "pixel_values" in arguments else name, (whole, samples)
                    reasons.append("it does not return a tensor")
            if not takes & {"pixel_values", "pixel_values_videos"}:
                break  # no other size makes a difference
    raise LeftOut(f"{name} cannot be run: {reasons[0]}")


def _tower(name: str, model: Any, takes: set[str]) -> tuple[str, Model]:
    """A vision tower with random patches of one image.

    Raises:
        LeftOut: it does not run on patches of any form that is known here.
    """
    main = next(argument for argument in ("hidden_states", "pixel_values") if argument in takes)
    fixed = {"grid_thw": torch.tensor([[1, *GRID]])} | (
        {"merge_sizes": torch.tensor([2])} if "merge_sizes" in takes else {}
    )
    side = int(model.config.patch_size)
    flat = [(channels * side**2,) for channels in (3, 6)]
    reasons: list[str] = []
    for shape in (*flat, (3, side, side)):
        tower, patches = Tower(model, main, fixed).eval(), torch.rand(SAMPLES, math.prod(GRID), *shape)
        try:
            with torch.no_grad():
                tower(patches[:1])
            return f"{name}, {GRID[0]} x {GRID[1]} patches", (tower, (patches,))
        except Exception as error:
            reasons.append(_first_line(error))
    raise LeftOut(f"{name} cannot be run: {reasons[0]}")


def _first_line(error: Exception) -> str:
    return f"{type(error).__name__}: {error}"


def _model(kind: str, name: str, size: int, widths: bool, stages: bool) -> Any:
    config = transformers.AutoConfig.for_model(kind)
    shrink(config, size, widths, stages)
    with torch.device("meta"):
        count = sum(parameter.numel() for parameter in getattr(transformers, name)(config).parameters())
    if count > MOST:
        raise ValueError(f"{count:,} parameters where its known attributes are small")
    torch.manual_seed(0)
    return getattr(transformers, name)(config)


def _samples(config: Any, arguments: Sequence[str], size: int) -> Iterator[tuple[torch.Tensor, ...]]:
    """Random samples for a model's arguments, once for every shape that its main input may have."""
    shapes: list[tuple[int, ...]] = [()]
    if arguments[0] == "input_values":
        bands = getattr(config, "num_mel_bins", None)
        mels = [(int(config.max_length), bands)] if bands and hasattr(config, "max_length") else []
        shapes = [(WAVEFORM,), (1, WHOLE), *mels]
    elif arguments[0] == "input_features":
        named = ("feature_projection_input_dim", "num_mel_bins", "input_dim")
        own = [int(getattr(config, name)) for name in named if hasattr(config, name)]
        frames = 2 * int(getattr(config, "max_source_positions", 32))
        shapes = [shape for bands in (*own[:1], *BANDS) for shape in ((bands, frames), (64, bands))]
    elif arguments[0] in ("pixel_values", "pixel_values_videos"):
        frames = int(getattr(config, "num_frames", getattr(config, "frames_per_clip", FRAMES)))
        shapes = [(), (frames,)] if arguments[0] == "pixel_values" else [(frames,)]
    elif arguments[0] == "past_values":
        shapes = [(int(config.context_length), int(getattr(config, "num_input_channels", 1)))]
    for shape in shapes:
        own = [shape if argument.startswith(arguments[0]) else () for argument in arguments]
        yield tuple(_sample(config, argument, each, size) for argument, each in zip(arguments, own, strict=True))


def _sample(config: Any, argument: str, shape: tuple[int, ...], size: int) -> torch.Tensor:
    match argument:
        case "input_ids" | "decoder_input_ids":
            return torch.randint(5, 50, (SAMPLES, TOKENS))
        case "attention_mask":
            return torch.ones(SAMPLES, TOKENS, dtype=torch.int64)
        case "bbox":
            return torch.rand(SAMPLES, TOKENS, 4)
        case "input_features_mask":
            return torch.ones(SAMPLES, shape[-1] if shape else 1, dtype=torch.int64)
        case "pixel_values" | "pixel_values_videos":
            vision = getattr(config, "vision_config", config)
            channels = getattr(vision, "num_channels", getattr(vision, "in_channels", 3))
            return torch.rand(SAMPLES, *shape, channels if isinstance(channels, int) else 3, size, size)
        case _:
            return torch.randn(SAMPLES, *shape)
