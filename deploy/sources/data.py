"""Data specifications: an .npz file, an image folder, or a table of texts; read, shaped and checked."""

from __future__ import annotations

import hashlib
import zipfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch

from deploy.errors import DeployError
from deploy.sources.check import check_data
from deploy.sources.loaded import LoadedModel

Role = Literal["calibration", "evaluation"]
TABLES = (".tsv", ".csv", ".jsonl")
LABELS = "y"


@dataclass(frozen=True)
class Data:
    """Samples for a model's forward.

    inputs: arrays (N, *sample), float32 or int64, named as the arguments and in their order.
    labels: (N,) int64 or None.
    class_names: one per class, or empty. source: what it was read from, for messages and reports.
    transform: how files became arrays, in words; empty where arrays were given.
    """

    inputs: Mapping[str, np.ndarray]
    labels: np.ndarray | None
    class_names: tuple[str, ...]
    source: str
    transform: str = ""

    def __len__(self) -> int:
        return len(next(iter(self.inputs.values())))

    def take(self, indices: np.ndarray | slice) -> Data:
        """The samples at `indices`, in that order."""
        inputs = {name: array[indices] for name, array in self.inputs.items()}
        return replace(self, inputs=inputs, labels=None if self.labels is None else self.labels[indices])

    def batches(self, size: int) -> Iterator[tuple[torch.Tensor, ...]]:
        """Tensors of up to `size` samples at a time, the positional arguments of forward."""
        for start in range(0, len(self), size):
            yield tuple(torch.from_numpy(array[start : start + size]) for array in self.inputs.values())


def load_data(
    spec: Path | str | None,
    model: LoadedModel,
    role: Role,
    limit: int | None = None,
    tokens: int | None = None,
) -> Data:
    """Reads and checks data for `model`.

    spec: None means the demo model's own data of that role. limit: at most so many samples, the first
    ones (of image folders: the first of every class in turn). tokens: length to pad and cut texts to;
    None means the longest text here, so calibration's length is to be given for the evaluation data.
    Raises DeployError, naming the file and the first fault found.
    """
    option = "--calib" if role == "calibration" else "--eval"
    if limit is not None and limit < 1:
        raise DeployError(f"{role} samples: {limit} asked for; at least 1 is needed")
    if spec is None:
        data = _demo(model, role, option)
    else:
        path = Path(spec).expanduser()
        if not path.exists():
            raise DeployError(f"{option} {path}: no such file or folder")
        data = _read(path, option, model, role, limit, tokens)
    if limit is not None:
        data = data.take(slice(0, limit))
    return check_data(data, model, role)


def _read(path: Path, option: str, model: LoadedModel, role: Role, limit: int | None, tokens: int | None) -> Data:
    if path.is_dir():
        from deploy.sources import images

        read = images.read_folder(path, model, role, limit)
        return Data(*read, str(path), "" if model.image is None else model.image.transform)
    if path.suffix == ".npz":
        return _read_npz(path, model)
    if path.suffix in TABLES:
        from deploy.sources import texts

        return Data(*texts.read_table(path, model, role, limit, tokens), str(path))
    kinds = ", ".join((".npz", *TABLES))
    raise DeployError(f"{option} {path}: not a kind of data known here; give one of {kinds}, or an image folder")


def _demo(model: LoadedModel, role: Role, option: str) -> Data:
    if model.spec != "demo":
        raise DeployError(
            f"{option} missing: {model.spec} has no data with it; give an .npz, an image folder or text table"
        )
    from deploy import demo

    images, labels = demo.calibration_data() if role == "calibration" else demo.evaluation_data()
    return Data({"x": images}, labels, model.class_names, f"demo {role} images")


def _read_npz(path: Path, model: LoadedModel) -> Data:
    """Arrays named as the forward arguments (`x` for a single one), labels in `y`."""
    damaged = f"{path}: not an .npz file that numpy.savez wrote, or damaged"
    if not zipfile.is_zipfile(path):  # which numpy would take for a pickle
        raise DeployError(damaged)
    try:
        with np.load(path, allow_pickle=False) as archive:
            arrays: dict[str, Any] = {name: archive[name] for name in archive.files}
    except (zipfile.BadZipFile, OSError, EOFError, AttributeError, TypeError) as error:
        raise DeployError(damaged) from error
    except ValueError as error:
        raise DeployError(
            f"{path}: holds pickled Python objects, which are not read; store plain numbers with numpy.savez"
        ) from error
    labels = arrays.pop(LABELS, None) if LABELS not in model.inputs else None
    inputs: dict[str, np.ndarray] = {}
    for name, spec in model.inputs.items():
        names = [name, *spec.aliases, *(["x"] if len(model.inputs) == 1 else [])]
        found = next((alias for alias in names if alias in arrays), None)
        if found is None:
            held = ", ".join(sorted(arrays)) or "nothing"
            raise DeployError(f"{path}: no array `{name}`, an argument of {model.spec}; it holds {held}")
        array = arrays.pop(found)
        inputs[name] = array if model.image is None else model.image.ordered(array)
    if arrays:
        known = ", ".join((*model.inputs, LABELS))
        raise DeployError(f"{path}: array `{sorted(arrays)[0]}` is no argument of {model.spec}; known are {known}")
    return Data(inputs, labels, model.class_names, str(path))


def with_length(data: Data, tokens: int) -> Data:
    """Texts (arrays (N, length), one of them the attention mask) padded or cut to ``tokens``; padding is masked.

    Raises DeployError if a text is longer: cutting it would change what is measured.
    """
    longest = int(data.inputs["attention_mask"].any(0).nonzero()[0].max(initial=-1)) + 1
    if longest > tokens:
        raise DeployError(
            f"{data.source}: its longest text has {longest} tokens, the network was converted for {tokens}; convert it with "
            "texts as long among --calib or --eval"
        )

    def fitted(array: np.ndarray) -> np.ndarray:
        return np.pad(array[:, :tokens], ((0, 0), (0, max(0, tokens - array.shape[1]))))

    return replace(data, inputs={name: fitted(array) for name, array in data.inputs.items()})


def hold_out(data: Data, share: float = 0.2) -> tuple[Data, Data]:
    """Splits off samples that calibration never sees, where only one data set is given.

    Of every 1 / share samples, one at random is held out, the same at every call: a file sorted by class still gives some
    of each, and so does one in which classes take turns. Returns (calibration, evaluation). Raises DeployError for fewer
    than two samples.
    """
    if len(data) < 2:
        raise DeployError(
            f"{data.source}: one sample cannot both calibrate and be held back; give more samples (or --eval)"
        )
    every = min(max(2, round(1 / share)), len(data))
    groups = np.arange(0, len(data), every)
    held = np.isin(np.arange(len(data)), groups + np.random.default_rng(0).integers(every, size=len(groups)))
    return data.take(np.flatnonzero(~held)), data.take(np.flatnonzero(held))


def shared_samples(calibration: Data, evaluation: Data) -> int:
    """How many evaluation samples are also, bit for bit, calibration samples."""

    def digests(data: Data) -> list[bytes]:
        rows = zip(*data.inputs.values(), strict=True)
        return [hashlib.sha256(b"".join(np.ascontiguousarray(a).tobytes() for a in row)).digest() for row in rows]

    seen = set(digests(calibration))
    return sum(digest in seen for digest in digests(evaluation))
