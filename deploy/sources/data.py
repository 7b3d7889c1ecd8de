"""Reading of data specifications: an .npz file, a folder of images or recordings, a table of texts or a plain text."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np

from deploy.errors import DeployError
from deploy.sources.archives import read_arrays
from deploy.sources.check import check_data
from deploy.sources.classes import LabelRow, class_numbers, label_table
from deploy.sources.loaded import LoadedModel
from deploy.sources.named import TEXT, check_file_of_data, check_given
from deploy.sources.samples import Data

if TYPE_CHECKING:
    from deploy.sources.folders import Sample

Role = Literal["calibration", "evaluation"]
Given = Mapping[str, int | str] | None
"""Content of a --labels file, class number or class name by label; None without one."""
OPTIONS = {"calibration": "--calib", "evaluation": "--eval"}
LABELS = "y"
CALIBRATION_IMAGES = 256
"""Files of a folder that calibration reads by default; more of them change the scales little and take long."""


def load_data(
    spec: Path | str | None,
    model: LoadedModel,
    role: Role,
    limit: int | None = None,
    tokens: int | None = None,
    labels: Given = None,
) -> Data:
    """Read data for ``model`` and check it.

    Args:
        spec: an .npz file, a folder, a table (.csv, .tsv, .jsonl) or a text (.txt); None takes the demo model's own
            data.
        model: the model that takes the data.
        role: "calibration", whose labels are kept as written only, or "evaluation".
        limit: largest number of samples; the first ones are taken, of folders the first of every class in turn.
        tokens: length that the texts of a table are padded and cut to; None takes the longest text's length, so the
            calibration data's length has to be given for the evaluation data.
        labels: what labels mean (a --labels file) if the model's configuration does not say.

    Raises:
        DeployError: the data cannot be read or does not suit the model; the message names the file and the first fault.
    """
    if limit is not None and limit < 1:
        raise DeployError(f"{role} samples: {limit} asked for; at least 1 is needed")
    path = _path(spec, role)
    if path is not None and path.is_dir():
        from deploy.sources.folders import list_folder

        samples = list_folder(path, model)
        return _of_files(path, model, role, samples[:limit], samples, labels)
    data = _demo(model, role) if path is None else _read(path, model, role, limit, tokens, labels)
    if limit is not None:
        data = data.take(slice(0, limit))
    return check_data(data, model, role)


def load_calibration(spec: Path | str | None, model: LoadedModel, limit: int | None = None, seed: int = 0) -> Data:
    """Read calibration data for ``model``: samples drawn at random, always the same ones for a seed.

    Args:
        spec: as for :func:`load_data`.
        model: the model that takes the data.
        limit: largest number of samples; of a folder, as many of each class as of every other. None takes 256 files of
            a folder, and all samples of anything else. Files of a folder that are not drawn are not read.
        seed: of the draw.

    Raises:
        DeployError: the data cannot be read or does not suit the model.
    """
    path = _path(spec, "calibration")
    if path is None or not path.is_dir():
        return drawn(load_data(spec, model, "calibration"), limit, seed)
    from deploy.sources.folders import draw, list_folder

    samples = draw(list_folder(path, model), limit or CALIBRATION_IMAGES, seed)
    return _of_files(path, model, "calibration", samples, samples, None)


def load_both(
    spec: Path | str,
    model: LoadedModel,
    calibration_limit: int | None = None,
    limit: int | None = None,
    seed: int = 0,
    labels: Given = None,
) -> tuple[Data, Data]:
    """Read one data set as (calibration, evaluation) data, a fifth held back for evaluation as by :func:`hold_out`.

    ``calibration_limit`` and ``seed`` are those of :func:`load_calibration`, ``limit`` is the largest number of
    evaluation samples, and ``labels`` says what labels mean.

    Raises:
        DeployError: the data cannot be read or does not suit the model, or there are fewer than two samples.
    """
    path = _path(spec, "calibration")
    if path is None or not path.is_dir():
        calibration, evaluation = hold_out(load_data(spec, model, "evaluation", labels=labels))
        return drawn(calibration, calibration_limit, seed), evaluation.take(slice(limit))
    from deploy.sources.folders import draw, list_folder

    samples = list_folder(path, model)
    held = _held(len(samples), 0.2, str(path))
    kept = [each for each, out in zip(samples, held, strict=True) if not out]
    rest = draw(kept, calibration_limit or CALIBRATION_IMAGES, seed)
    judged = [each for each, out in zip(samples, held, strict=True) if out][:limit]
    evaluation = _of_files(path, model, "evaluation", judged, samples, labels)
    return _of_files(path, model, "calibration", rest, rest, None), evaluation


def drawn(data: Data, limit: int | None, seed: int) -> Data:
    """At most ``limit`` samples drawn at random, kept in the data's order; all samples if ``limit`` is None."""
    if limit is None or limit >= len(data):
        return data
    return data.take(np.sort(np.random.default_rng(seed).permutation(len(data))[:limit]))


def _path(spec: Path | str | None, role: Role) -> Path | None:
    if spec is None:
        return None
    path = Path(spec).expanduser()
    if not path.exists():
        raise DeployError(f"{OPTIONS[role]} {path}: no such file or folder")
    if not (path.is_file() or path.is_dir()):  # reading a pipe could block for ever
        raise DeployError(f"{OPTIONS[role]} {path}: is neither a file nor a folder; save the data first")
    return path


def _read(
    path: Path,
    model: LoadedModel,
    role: Role,
    limit: int | None,
    tokens: int | None,
    given: Given,
) -> Data:
    check_file_of_data(path)
    if path.suffix == ".npz":
        return _read_npz(path, model, role, given)
    if path.suffix == TEXT:
        from deploy.sources import texts

        if model.text is None or not model.text.causal:
            raise DeployError(
                f"{path}: plain text, which language models take; for {model.spec} give {kinds_of(model)}"
            )
        windows = texts.read_windows(path, model.text, limit)
        how = f"tokenizer of {model.text.tokenizer}, windows of {model.text.window} tokens"
        return Data({"input_ids": windows}, None, (), str(path), how)
    from deploy.sources import texts

    rows, names = texts.read_table(path, model, role)
    judged = names if role == "evaluation" else None
    numbers, table = _numbered(judged, model, str(path), given)
    text = model.text
    if text is None:
        raise DeployError(f"{path}: a table of texts, but {model.spec} has no tokenizer; give an .npz")
    inputs = texts.tokenise(rows[:limit], path, text, tokens)
    how = f"tokenizer of {text.tokenizer}"
    labels = None if numbers is None else numbers[:limit]
    written = None if names is None or judged is not None else np.array(names[:limit])
    return Data(inputs, labels, model.class_names, str(path), how, table, written)


def kinds_of(model: LoadedModel) -> str:
    """The kinds of data file that a model takes, in words for messages."""
    if model.text is not None:
        return "a table (.csv, .tsv, .jsonl)"
    return "an .npz" if model.files is None else f"an .npz or a folder of {model.files.noun}s"


def _of_files(
    path: Path, model: LoadedModel, role: Role, samples: list[Sample], all_samples: list[Sample], given: Given
) -> Data:
    """Read ``samples`` as data; ``all_samples`` of the folder decide which class numbers its subfolders stand for."""
    from deploy.sources.folders import kind_of, read_files

    kind = kind_of(model, path)
    folders = [name for _, name in all_samples if name is not None] if role == "evaluation" else []
    numbers = class_numbers(folders, model, str(path), given, folders=True) if folders else {}
    labels = np.array([numbers[name] for _, name in samples if name is not None], np.int64) if numbers else None
    # Names belong to numbers 0 .. n-1 only if the folders are all of the classes.
    complete = sorted(numbers.values()) == list(range(len(numbers)))
    names = tuple(sorted(numbers, key=numbers.__getitem__)) if complete else ()
    inputs = {next(iter(model.inputs)): read_files([file for file, _ in samples], kind)}
    table = label_table(folders, numbers, model)
    written = None if role == "evaluation" else np.array([name or "" for _, name in samples])
    data = Data(inputs, labels, model.class_names or names, str(path), kind.transform, table, written)
    return check_data(data, model, role)


def _numbered(
    labels: Sequence[str] | None, model: LoadedModel, source: str, given: Given
) -> tuple[np.ndarray | None, tuple[LabelRow, ...]]:
    """Class numbers (N,) int64 of written labels, and the table of how they were read; (None, ()) without labels."""
    if labels is None:
        return None, ()
    numbers = class_numbers(labels, model, source, given)
    return np.array([numbers[label] for label in labels], np.int64), label_table(labels, numbers, model)


def _demo(model: LoadedModel, role: Role) -> Data:
    check_given(model.spec, OPTIONS[role], None)
    from deploy import demo

    images, labels = demo.calibration_data() if role == "calibration" else demo.evaluation_data()
    return Data({"x": images}, labels, model.class_names, f"demo {role} images")


def _read_npz(path: Path, model: LoadedModel, role: Role, given: Given) -> Data:
    """Read an .npz of arrays named as the forward arguments (`x` for a single one), and labels `y`, numbers or text."""
    arrays = read_arrays(path)
    labels = arrays.pop(LABELS, None) if LABELS not in model.inputs else None
    table: tuple[LabelRow, ...] = ()
    written = None
    if role == "calibration" and labels is not None:
        written, labels = np.char.strip(labels.astype(str)), None
    if labels is not None and labels.dtype.kind == "U" and labels.ndim == 1:
        labels, table = _numbered([str(label).strip() for label in labels], model, str(path), given)
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
    written = written if written is not None and written.shape == (len(next(iter(inputs.values()))),) else None
    return Data(inputs, labels, model.class_names, str(path), label_table=table, written=written)


def with_length(data: Data, tokens: int) -> Data:
    """Pad texts (arrays (N, length) with an attention mask) to ``tokens``, or cut padding off; added padding is masked.

    Windows of a language model have no mask, and must have this length already.

    Raises:
        DeployError: a text has more tokens, as cutting it would change what is measured, or windows have another
            length.
    """
    if "attention_mask" not in data.inputs:
        length = data.inputs["input_ids"].shape[1]
        if length != tokens:
            raise DeployError(f"{data.source}: windows of {length} tokens, the network was converted for {tokens}")
        return data
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
    """Split one data set into calibration samples and evaluation samples that calibration never sees.

    Of every 1 / share consecutive samples, one at random is held out, the same at every call, so that every class is
    represented both in a file sorted by class and in one in which classes take turns.

    Returns:
        (calibration, evaluation).

    Raises:
        DeployError: there are fewer than two samples.
    """
    held = _held(len(data), share, data.source)
    return data.take(np.flatnonzero(~held)), data.take(np.flatnonzero(held))


def _held(count: int, share: float, source: str) -> np.ndarray:
    """Mask (count,) bool of the samples that are held out; raises DeployError for fewer than two samples."""
    if count < 2:
        raise DeployError(f"{source}: one sample cannot both calibrate and be held back; give more samples (or --eval)")
    every = min(max(2, round(1 / share)), count)
    groups = np.arange(0, count, every)
    return np.isin(np.arange(count), groups + np.random.default_rng(0).integers(every, size=len(groups)))


def shared_samples(calibration: Data, evaluation: Data) -> int:
    """Number of evaluation samples whose inputs equal those of a calibration sample bit for bit."""

    def digests(data: Data) -> list[bytes]:
        rows = zip(*data.inputs.values(), strict=True)
        return [hashlib.sha256(b"".join(np.ascontiguousarray(a).tobytes() for a in row)).digest() for row in rows]

    seen = set(digests(calibration))
    return sum(digest in seen for digest in digests(evaluation))
