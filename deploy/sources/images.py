"""Image folders: one subfolder per class, images resized and cropped as the model's preprocessing says."""

from __future__ import annotations

from itertools import chain, zip_longest
from pathlib import Path

import numpy as np

from deploy.errors import DeployError
from deploy.sources.classes import class_numbers
from deploy.sources.loaded import ImageInput, LoadedModel
from deploy.sources.modes import open_image

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
