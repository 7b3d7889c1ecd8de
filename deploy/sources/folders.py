"""Folders of images or recordings: one subfolder per class, files read as the model's preprocessing says."""

from __future__ import annotations

from itertools import zip_longest
from pathlib import Path

import numpy as np

from deploy.errors import DeployError
from deploy.sources.loaded import ImageInput, LoadedModel, SoundInput

Sample = tuple[Path, str | None]
"""A file, and the name of the folder that says its class; None without subfolders."""


def list_folder(folder: Path, model: LoadedModel) -> list[Sample]:
    """List the files of a folder that the model takes, classes in turn, so that the first few cover every class.

    Without subfolders no file has a class, which is enough to calibrate.

    Raises:
        DeployError: there are no such files, files lie both beside and in subfolders, or the model takes no files.
    """
    kind = kind_of(model, folder)
    classes = {sub.name: _files(sub, kind) for sub in shown(folder) if sub.is_dir()}
    classes = {name: files for name, files in classes.items() if files}
    flat = _files(folder, kind)
    if classes and flat:
        raise DeployError(
            f"{folder}: holds {kind.noun}s ({flat[0].name}, ...) beside folders of classes; move them into one"
        )
    if not classes and not flat:
        suffixes = "/".join(sorted(suffix[1:] for suffix in kind.suffixes))
        raise DeployError(f"{folder}: holds no {kind.noun}s; give one subfolder per class with {suffixes} files")
    turns = zip_longest(*([(file, name) for file in files] for name, files in classes.items()))
    return [pair for turn in turns for pair in turn if pair is not None] or [(file, None) for file in flat]


def kind_of(model: LoadedModel, folder: Path) -> ImageInput | SoundInput:
    """How the model reads image files or recordings; raises DeployError, naming the folder, if it takes no files."""
    if model.files is None:
        raise DeployError(
            f"{folder}: a folder, but {model.spec} takes no files of known size (images, recordings); give an .npz"
        )
    return model.files


def draw(samples: list[Sample], limit: int, seed: int) -> list[Sample]:
    """Draw at most ``limit`` files at random, as many of each class as of every other while they last; seeded."""
    random = np.random.default_rng(seed)
    shuffled = [samples[index] for index in random.permutation(len(samples))]
    taken: dict[str | None, int] = {}
    ranked: list[tuple[int, int, Sample]] = []
    for place, sample in enumerate(shuffled):
        taken[sample[1]] = taken.get(sample[1], -1) + 1
        ranked.append((taken[sample[1]], place, sample))
    return [sample for _, _, sample in sorted(ranked, key=lambda each: each[:2])[:limit]]


def _files(folder: Path, kind: ImageInput | SoundInput) -> list[Path]:
    return sorted(file for file in shown(folder) if file.suffix.lower() in kind.suffixes)


def shown(folder: Path) -> list[Path]:
    """Entries of a folder, sorted, without names that begin with a dot: macOS puts `._NAME.png` beside `NAME.png`."""
    return sorted(entry for entry in folder.iterdir() if not entry.name.startswith("."))


def read_files(files: list[Path], kind: ImageInput | SoundInput) -> np.ndarray:
    """Read files as the model's input (N, *size) float32: raw pixels (channels, height, width), waveforms or features.

    Raises:
        DeployError: a file cannot be read, or the model's preprocessing gives it another size than ``kind.size``.
    """
    found = np.empty((len(files), *kind.size), np.float32)
    for index, file in enumerate(files):
        values = kind.read(file)
        if values.shape != kind.size:
            raise DeployError(
                f"{file}: the model's preprocessing makes it {values.shape}, other {kind.noun}s {kind.size}; a network has "
                f"one input size: crop the {kind.noun}s to one size, or let the model's own preprocessing crop"
            )
        found[index] = values
    return found
