"""What every model source returns: the trained module and what is known about its inputs and classes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar, Literal

import numpy as np
import torch
from PIL import Image
from torch import nn

from deploy.errors import DeployError


@dataclass(frozen=True)
class InputSpec:
    """One argument of the module's forward.

    Attributes:
        dtype: of the argument; None if only data can tell.
        shape: of one sample, without the batch axis; None for an axis, or for the whole, that only data can tell.
        aliases: other names under which a data file may hold the argument.
    """

    dtype: Literal["float32", "int64"] | None = None
    shape: tuple[int | None, ...] | None = None
    aliases: tuple[str, ...] = ()

    def fits(self, shape: tuple[int, ...]) -> bool:
        """Whether a sample of this shape can be this argument."""
        if self.shape is None:
            return True
        pairs = zip(self.shape, shape, strict=False)
        return len(shape) == len(self.shape) and all(want in (None, got) for want, got in pairs)


@dataclass(frozen=True)
class ImageInput:
    """How image files become the module's input: (channels, height, width) float32 raw pixels.

    Attributes:
        size: (channels, height, width).
        pixels: maps an 8-bit image (mode L or RGB) to raw pixels by the model's own resizing and cropping, without its
            normalisation: in [0, 1], except where resampling in floating point overshoots.
        transform: the library and its settings, in words, for reports.
        order: the image channel that each input channel reads, if they are permuted (BGR); else empty.
    """

    size: tuple[int, int, int]
    pixels: Callable[[Image.Image], torch.Tensor]
    transform: str
    order: tuple[int, ...] = ()

    noun: ClassVar[str] = "image"
    suffixes: ClassVar[frozenset[str]] = frozenset(
        {".jpg", ".jpeg", ".png", ".bmp", ".webp", ".gif", ".tif", ".tiff", ".pgm", ".ppm"}
    )

    def read(self, file: Path) -> np.ndarray:
        """The raw pixels of a file; raises DeployError if it is no image."""
        from deploy.sources.modes import open_image

        return self.pixels(open_image(file, self.size[0])).numpy()

    def ordered(self, images: np.ndarray) -> np.ndarray:
        """Images (N, channels, ...) in grey or RGB, with the channels permuted to the order that the module takes."""
        return images[:, list(self.order)] if self.order and images.ndim > 1 else images


@dataclass(frozen=True)
class SoundInput:
    """How recordings become the module's input: float32 waveforms or features, by the model's own feature extractor.

    Attributes:
        size: shape of the input of one recording.
        rate: samples a second.
        values: maps a waveform (samples,) float32 in [-1, 1] at that rate to the input (*size).
        transform: the library and its settings, in words, for reports.
    """

    size: tuple[int, ...]
    rate: int
    values: Callable[[np.ndarray], torch.Tensor]
    transform: str

    noun: ClassVar[str] = "recording"
    suffixes: ClassVar[frozenset[str]] = frozenset({".wav"})

    def read(self, file: Path) -> np.ndarray:
        """The input (*size) of a .wav file; raises DeployError if the file is no recording."""
        from deploy.sources.waveforms import read_waveform

        return self.values(read_waveform(file, self.rate)).numpy()


@dataclass(frozen=True)
class TextInput:
    """How text becomes the module's input.

    Attributes:
        tokenizer: folder or hub name of the tokenizer.
        max_tokens: length of the longest input; None if unknown.
        vocabulary: how many token numbers the model knows; None if unknown.
        causal: whether the model is a language model, each of whose outputs depends only on its own and earlier tokens.
        window: length in tokens of the windows that plain text is cut into for a language model.
        gguf: the file in the tokenizer's folder that holds the tokenizer, or empty.
    """

    tokenizer: str
    max_tokens: int | None = None
    vocabulary: int | None = None
    causal: bool = False
    window: int = 128
    gguf: str = ""


@dataclass(frozen=True)
class LoadedModel:
    """A trained module in evaluation mode, ready to be captured.

    Attributes:
        name: short name for reports and folders; ``spec``: the specification as a user types it.
        module: the model, wrapped so that it takes raw inputs and returns one tensor.
        inputs: arguments of module.forward, in order.
        prefix: what a wrapper put before the names of the model's own parameters: `name.removeprefix(prefix)` is the
            name in the weights file.
        classes: number of classes; None if the output is not known to be class scores.
        class_names: one per class, or empty.
        image, text, sound: how files become inputs; None for kinds of file that the model does not take.
        weights, seed: as given to ``load_model``, so that loading can be repeated.
    """

    name: str
    spec: str
    module: nn.Module
    inputs: Mapping[str, InputSpec]
    prefix: str = ""
    classes: int | None = None
    class_names: tuple[str, ...] = ()
    image: ImageInput | None = None
    text: TextInput | None = None
    weights: Path | str | None = field(default=None)
    seed: int = 0
    sound: SoundInput | None = None

    @property
    def scores(self) -> bool:
        """Whether outputs are known to be scores of two or more classes, so that they have a prediction."""
        return (self.classes or 1) > 1

    @property
    def files(self) -> ImageInput | SoundInput | None:
        """How image files or recordings, one per sample, become the input; None if the model takes neither."""
        return self.image or self.sound

    def example(self, batch: int = 1) -> dict[str, torch.Tensor]:
        """Example inputs (batch, *shape) by name: uniform in [0, 1) for floats, zeros for integers.

        Raises:
            DeployError: only data can tell the shape (models from Python files).
        """
        generator = torch.Generator().manual_seed(self.seed)
        tensors: dict[str, torch.Tensor] = {}
        for name, spec in self.inputs.items():
            if spec.shape is None or None in spec.shape:
                raise DeployError(f"{self.spec}: the shape of input `{name}` is not known; give data (--calib)")
            shape = (batch, *(size for size in spec.shape if size is not None))
            if spec.dtype == "int64":
                tensors[name] = torch.zeros(shape, dtype=torch.int64)
            else:
                tensors[name] = torch.rand(shape, generator=generator)
        return tensors
