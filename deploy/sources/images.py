"""Image folders: one subfolder per class, images resized and cropped as the model's preprocessing says."""

from __future__ import annotations

from itertools import chain, zip_longest
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from PIL import Image, UnidentifiedImageError
from timm.data.transforms_factory import create_transform

from deploy.errors import DeployError
from deploy.sources.classes import class_numbers
from deploy.sources.loaded import ImageInput, LoadedModel

SUFFIXES = {".jpg", ".jpeg", ".png", ".bmp", ".webp", ".gif", ".tif", ".tiff", ".pgm", ".ppm"}

Read = tuple[dict[str, np.ndarray], "np.ndarray | None", tuple[str, ...]]


def read_folder(folder: Path, model: LoadedModel, role: str, limit: int | None) -> Read:
    """Pixels (N, channels, height, width) float32 in [0, 1], labels, class names.

    With a limit, classes take turns, so that few images still show every class. Without subfolders
    there are no labels, which is enough to calibrate. Raises DeployError.
    """
    if model.image is None:
        raise DeployError(f"{folder}: an image folder, but {model.spec} has no known image size; give an .npz")
    classes = {sub.name: _images(sub) for sub in sorted(folder.iterdir()) if sub.is_dir()}
    classes = {name: files for name, files in classes.items() if files}
    if not classes:
        files = _images(folder)[:limit]
        if not files:
            raise DeployError(f"{folder}: holds no images; give one subfolder per class with {_suffixes()} files")
        return {"x": _pixels(files, model.image)}, None, model.class_names
    turns = chain.from_iterable(zip_longest(*([(file, name) for file in files] for name, files in classes.items())))
    chosen = [pair for pair in turns if pair is not None][:limit]
    pixels = _pixels([file for file, _ in chosen], model.image)
    if role == "calibration":
        return {"x": pixels}, None, model.class_names
    numbers = class_numbers(list(classes), model, str(folder))
    labels = np.array([numbers[name] for _, name in chosen], np.int64)
    # Names belong to numbers 0 .. n-1 only if the folders are all of the classes.
    complete = sorted(numbers.values()) == list(range(len(numbers)))
    names = tuple(sorted(numbers, key=numbers.__getitem__)) if complete else ()
    return {"x": pixels}, labels, model.class_names or names


def _images(folder: Path) -> list[Path]:
    return sorted(file for file in folder.iterdir() if file.suffix.lower() in SUFFIXES)


def _suffixes() -> str:
    return "/".join(sorted(suffix[1:] for suffix in SUFFIXES))


def _pixels(files: list[Path], image: ImageInput) -> np.ndarray:
    transform: Any = create_transform(
        input_size=image.size,
        interpolation=image.interpolation,
        crop_pct=image.crop_pct,
        crop_mode=image.crop_mode,
        is_training=False,
        normalize=False,
    )
    mode = {1: "L", 3: "RGB"}.get(image.size[0])
    if mode is None:
        raise DeployError(
            f"{files[0].parent}: images have 1 or 3 channels, the model takes {image.size[0]}; give an .npz"
        )
    pixels = np.empty((len(files), *image.size), np.float32)
    for index, file in enumerate(files):
        try:
            with Image.open(file) as opened:
                tensor = cast(torch.Tensor, transform(opened.convert(mode)))
        except (UnidentifiedImageError, OSError, SyntaxError) as error:
            raise DeployError(f"{file}: not a readable image; repair or remove it") from error
        pixels[index] = tensor.numpy().astype(np.float32) / np.float32(255)
    return pixels
