"""A model's own preprocessing, split into geometry, done by its library, and normalisation, folded into the network.

The spiking network codes raw pixels. So the library's transform (transformers' image processor, timm's data configuration)
is taken as geometry followed by an affine function of each channel: the library does the geometry, and the affine
function is undone here and applied again inside the model (:class:`deploy.sources.wrappers.Normalised`). Together both
parts give the library's own pixel values.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, cast

import numpy as np
import timm
import torch
import transformers
from PIL import Image
from timm.data.transforms_factory import create_transform

from deploy.errors import DeployError, first_line
from deploy.sources.loaded import ImageInput

PROBE = 256
"""Side of the constant images that a processor's normalisation is measured on, in pixels."""
AFFINE = 1e-4
"""Largest difference of a normalised value from the affine function measured on black and the primaries."""
LEVEL = 1e-2
"""Largest distance from a whole grey level at which pixels count as resized in 8 bits, and are rounded to the level."""


class Normalisation(NamedTuple):
    """Model input c = (pixel order[c] - mean[c]) / std[c], for raw pixels in [0, 1]."""

    mean: tuple[float, ...]
    std: tuple[float, ...]
    order: tuple[int, ...]


def timm_input(size: tuple[int, int, int], **config: Any) -> ImageInput:
    """Image input of ``size`` by timm's evaluation transform without its normalisation; ``config``: crop_pct, ..."""
    transform: Any = create_transform(input_size=size, is_training=False, normalize=False, **config)

    def pixels(image: Image.Image) -> torch.Tensor:
        return cast(torch.Tensor, transform(image)).to(torch.float32) / 255

    words = ", ".join(f"{name} {value}" for name, value in config.items())
    return ImageInput(size, pixels, f"timm {timm.__version__}: input {'x'.join(map(str, size))}, {words}")


def processor_input(name: str, channels: int) -> tuple[ImageInput, Normalisation] | None:
    """Image input by the image processor saved with a transformers model, and its normalisation; None if none is saved.

    Raises:
        DeployError: the processor cannot be read, or does more than move, resample and normalise pixels.
    """
    try:
        transformers.ImageProcessingMixin.get_image_processor_dict(name)
    except OSError:
        return None
    except Exception as error:
        raise DeployError(f"hf:{name}: its preprocessor_config.json cannot be read ({first_line(error)})") from error
    try:
        processor: Any = transformers.AutoImageProcessor.from_pretrained(name, trust_remote_code=False)
    except Exception as error:  # a damaged configuration raises many types of exception
        raise DeployError(f"hf:{name}: its image processor cannot be built ({first_line(error)})") from error
    return from_processor(processor, channels, f"hf:{name}")


def from_processor(processor: Any, channels: int, spec: str) -> tuple[ImageInput, Normalisation]:
    """Image input by a transformers image processor, and its final normalisation, measured on constant images.

    Raises:
        DeployError: the processor fails, or does more than move, resample and normalise pixels.
    """

    def run(image: Image.Image) -> torch.Tensor:
        try:
            values = processor(image, return_tensors="pt")["pixel_values"]
        except Exception as error:
            raise DeployError(f"{spec}: its image processor fails on an image ({first_line(error)})") from error
        if not isinstance(values, torch.Tensor) or values.ndim != 4 or values.shape[:2] != (1, channels):
            shape = tuple(values.shape) if isinstance(values, torch.Tensor) else type(values).__name__
            raise DeployError(f"{spec}: its image processor gives {shape}, not one image of {channels} channels")
        return values[0].double()

    normalisation = _measure(run, channels, spec)
    mean, std = (torch.tensor(v, dtype=torch.float64).reshape(-1, 1, 1) for v in normalisation[:2])

    def pixels(image: Image.Image) -> torch.Tensor:
        raw = run(image) * std + mean
        levels = (255 * raw).round()
        whole = bool(((255 * raw - levels).abs() < LEVEL).all())  # resized in 8 bits: round to those levels
        return levels.float() / 255 if whole else raw.float()

    size = run(Image.new("RGB" if channels == 3 else "L", (PROBE, PROBE - 31))).shape
    image = ImageInput((channels, int(size[1]), int(size[2])), pixels, _words(processor), normalisation.order)
    return image, normalisation


def _measure(run: Callable[[Image.Image], torch.Tensor], channels: int, spec: str) -> Normalisation:
    """Measure on constant images which channel each output reads, and its affine function.

    Black and the primaries determine the function; a grey level of its own for each channel tests it.

    Raises:
        DeployError: the outputs are not such functions of single channels.
    """

    def centre(levels: Sequence[int]) -> np.ndarray:
        image = np.broadcast_to(np.array(levels, np.uint8), (PROBE, PROBE, channels))
        values = run(Image.fromarray(np.ascontiguousarray(image if channels == 3 else image[..., 0])))
        return values[:, values.shape[1] // 2, values.shape[2] // 2].numpy()

    black = centre([0] * channels)
    gains = np.stack([centre(255 * np.eye(channels, dtype=int)[c]) - black for c in range(channels)], 1)
    order = np.abs(gains).argmax(1)
    gain = gains[np.arange(channels), order]
    plain = np.zeros_like(gains)
    plain[np.arange(channels), order] = gain
    grey = [51 + 60 * c for c in range(channels)]
    wanted = black + gain * np.array(grey)[order] / 255
    if not (gain > 0).all() or np.abs(plain - gains).max() > AFFINE or np.abs(centre(grey) - wanted).max() > AFFINE:
        raise DeployError(
            f"{spec}: its image processor does not normalise each channel by a mean and a deviation, so raw pixels cannot be "
            "coded; give an .npz, and the model as path/file.py:callable"
        )
    return Normalisation(tuple((-black / gain).tolist()), tuple((1 / gain).tolist()), tuple(order.tolist()))


def _words(processor: Any) -> str:
    """Line for reports: the library's version, the processor's class, and the settings that are on."""
    kept = ("size", "crop_size", "crop_pct", "resample", "rescale_factor", "image_mean", "image_std")
    settings = processor.to_dict()
    on = [f"{name} {settings[name]}" for name in kept if settings.get(name) is not None]
    on += [name for name, value in settings.items() if name.startswith("do_") and value]
    return f"transformers {transformers.__version__} {type(processor).__name__}: {', '.join(on)}"
