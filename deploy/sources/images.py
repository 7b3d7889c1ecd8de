"""Image folders: one subfolder per class, images resized and cropped as the model's preprocessing says."""

from __future__ import annotations

from itertools import zip_longest
from pathlib import Path
from typing import Literal

import numpy as np

from deploy.errors import DeployError
from deploy.sources.loaded import ImageInput, LoadedModel
from deploy.sources.modes import open_image

SUFFIXES = {".jpg", ".jpeg", ".png", ".bmp", ".webp", ".gif", ".tif", ".tiff", ".pgm", ".ppm"}

Sample = tuple[Path, str | None]
"""An image file, and the folder that says its class."""


def list_folder(folder: Path, model: LoadedModel) -> list[Sample]:
    """The images of a folder, classes taking turns, so that few images still show every class.

    Without subfolders no image has a class, which is enough to calibrate.

    Raises:
        DeployError: there are no images, or the model takes none.
    """
    if model.image is None:
        raise DeployError(f"{folder}: an image folder, but {model.spec} has no known image size; give an .npz")
    classes = {sub.name: _images(sub) for sub in sorted(folder.iterdir()) if sub.is_dir()}
    classes = {name: files for name, files in classes.items() if files}
    flat = _images(folder)
    if classes and flat:
        raise DeployError(f"{folder}: holds images ({flat[0].name}, ...) beside folders of classes; move them into one")
    if not classes and not flat:
        raise DeployError(f"{folder}: holds no images; give one subfolder per class with {_suffixes()} files")
    turns = zip_longest(*([(file, name) for file in files] for name, files in classes.items()))
    return [pair for turn in turns for pair in turn if pair is not None] or [(file, None) for file in flat]


def read_folder(
    folder: Path, model: LoadedModel, role: Literal["calibration", "evaluation"], limit: int | None
) -> tuple[dict[str, np.ndarray], np.ndarray | None, tuple[str, ...]]:
    """Raw pixels (N, channels, height, width) float32 by argument, labels (None for calibration), class names.

    Raises:
        DeployError: as `deploy.sources.load_data`.
    """
    from deploy.sources.data import load_data

    data = load_data(folder, model, role, limit)
    return dict(data.inputs), data.labels, data.class_names


def draw(samples: list[Sample], limit: int, seed: int) -> list[Sample]:
    """At most ``limit`` images at random, as many of each class as of every other, as far as there are; the same for a seed."""
    random = np.random.default_rng(seed)
    shuffled = [samples[index] for index in random.permutation(len(samples))]
    taken: dict[str | None, int] = {}
    ranked: list[tuple[int, int, Sample]] = []
    for place, sample in enumerate(shuffled):
        taken[sample[1]] = taken.get(sample[1], -1) + 1
        ranked.append((taken[sample[1]], place, sample))
    return [sample for _, _, sample in sorted(ranked, key=lambda each: each[:2])[:limit]]


def _images(folder: Path) -> list[Path]:
    return sorted(file for file in folder.iterdir() if file.suffix.lower() in SUFFIXES)


def _suffixes() -> str:
    return "/".join(sorted(suffix[1:] for suffix in SUFFIXES))


def read_images(files: list[Path], image: ImageInput) -> np.ndarray:
    """Raw pixels (N, channels, height, width) float32.

    Raises:
        DeployError: a file that is no image, or that the model's preprocessing gives another size.
    """
    pixels = np.empty((len(files), *image.size), np.float32)
    for index, file in enumerate(files):
        values = image.pixels(open_image(file, image.size[0])).numpy()
        if values.shape != image.size:
            raise DeployError(
                f"{file}: the model's preprocessing makes it {values.shape}, other images {image.size}; a network has one "
                "input size: crop the images to one aspect ratio, or let the image processor crop"
            )
        pixels[index] = values
    return pixels
