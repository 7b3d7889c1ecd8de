"""Recordings of event cameras, binned into frames by tonic: files of events (t, x, y, p), or folders of them by class.

These formats are read. The unit of time does not matter, as bins divide each recording's own length:

* `.npz`: arrays `t`, `x`, `y`, `p`; as SpikingJelly writes them. `.npy` of tonic's DVS128 Gesture: rows (x, y, p, t).
* `.h5`, `.hdf5`: datasets t, x, y, p in the root or in a group `events` or `CD/events`, or a dataset of that name with
  records (t, x, y, p).
* `.aedat4`, which tonic reads with the package `aedat`.

A folder holds a folder of recordings for each class (CIFAR10-DVS; DVS128 Gesture as SpikingJelly unpacks it), or folders
userNN_LIGHT of recordings that are named by their class (DVS128 Gesture as tonic unpacks it).
"""

from __future__ import annotations

import importlib
import re
from pathlib import Path
from typing import Any

import numpy as np

from deploy.errors import DeployError
from deploy.sources.archives import read_arrays
from deploy.sources.folders import shown

FIELDS = ("t", "x", "y", "p")
RECORD = np.dtype([("t", np.int64), ("x", np.int64), ("y", np.int64), ("p", np.int64)])
HDF5 = (".h5", ".hdf5")
SUFFIXES = (".npz", ".npy", ".aedat4", *HDF5)
USER = re.compile(r"user\d+")
REMEDY = "install it with pip install 'spikedeploy[events]'"


def are_events(path: Path) -> bool:
    """Whether a path is a folder, a file with the ending of an event recording, or an .npz with arrays t, x, y, p."""
    if path.suffix == ".npz":
        return path.is_file() and set(FIELDS) <= set(read_arrays(path))
    return path.is_dir() or path.suffix in SUFFIXES


def binned(
    path: Path, frames: int, split: str, sensor: tuple[int, int], samples: int
) -> tuple[np.ndarray, np.ndarray | None]:
    """Bin recordings into frames: counts of events by frame, polarity and pixel.

    Args:
        path: a recording, or a folder of them.
        frames: T.
        split: "time" for bins of equal length, "events" for bins of equal numbers of events.
        sensor: (width, height) of the sensor.
        samples: largest number of recordings, the first of all classes in turn.

    Returns:
        Frames (samples, T, 2, height, width) float64, of polarity 0 (darker) first, and class numbers (samples,) int64
        of a folder, or None.

    Raises:
        DeployError: tonic is missing, a file cannot be read, an event lies outside the sensor, or a recording has too
            few events for T frames.
    """
    try:
        tonic: Any = importlib.import_module("tonic.transforms")
    except ImportError as error:
        raise DeployError(f"--data {path}: events are binned by tonic, which is not installed; {REMEDY}") from error
    named = recordings(path)[:samples]
    bins: dict[str, int] = {"n_time_bins" if split == "time" else "n_event_bins": frames}
    transform = tonic.ToFrame(sensor_size=(*sensor, 2), **bins)
    found = []
    for file, _ in named:
        events = read_events(file)
        if len(events) < frames:
            raise DeployError(
                f"{file}: {len(events)} events are too few for {frames} frames; leave it out, or lower --frames"
            )
        if (
            events["x"].max() >= sensor[0]
            or events["y"].max() >= sensor[1]
            or min(events["x"].min(), events["y"].min()) < 0
        ):
            reach = f"{events['x'].max() + 1}x{events['y'].max() + 1}"
            raise DeployError(
                f"{file}: events reach {reach} pixels, outside --sensor {sensor[0]}x{sensor[1]}; give its size"
            )
        made = np.asarray(transform(events), np.float64)
        if len(made) != frames:
            raise DeployError(f"{file}: its events lie too close in time for {frames} frames; take --split events")
        found.append(made)
    labels = [label for _, label in named if label is not None]
    return np.stack(found), np.asarray(labels, np.int64) if labels else None


def recordings(path: Path) -> list[tuple[Path, int | None]]:
    """Recordings with their class numbers, classes in turn; a path to a file is one recording without a class.

    Raises:
        DeployError: the folder holds no recordings, or recordings in folders of users are not named by numbers.
    """
    if path.is_file():
        return [(path, None)]
    folders = sorted((entry for entry in shown(path) if entry.is_dir()), key=_order) if path.is_dir() else []
    files = {folder: sorted((f for f in shown(folder) if f.suffix in SUFFIXES), key=_order) for folder in folders}
    files = {folder: held for folder, held in files.items() if held}
    if not files:
        raise DeployError(f"--data {path}: no recording, and no folder of {', '.join(SUFFIXES)} for each class")
    if all(USER.match(folder.name) for folder in files):
        every = [file for held in files.values() for file in held]
        if wrong := [file for file in every if not file.stem.isdigit()]:
            raise DeployError(f"{wrong[0]}: in folders of users, recordings are named by the number of their class")
        return [(file, int(file.stem)) for file in every]
    numbered = [(turn, label, file) for label, held in enumerate(files.values()) for turn, file in enumerate(held)]
    return [(file, label) for _, label, file in sorted(numbered)]


def _order(path: Path) -> tuple[int, str]:
    """Sort key: names that are numbers by value, other names after them alphabetically."""
    return (int(path.stem), "") if path.stem.isdigit() else (1 << 30, path.name)


def read_events(file: Path) -> np.ndarray:
    """Read a recording as a structured array of events (t, x, y, p), all int64, p 0 or 1, sorted by time.

    Raises:
        DeployError: the file cannot be read, or holds no events t, x, y, p of one length.
    """
    found = _fields(file)
    if found is None or len({len(found[name]) for name in FIELDS}) != 1 or not len(found["t"]):
        raise DeployError(f"{file}: holds no events t, x, y, p of one length")
    if any(found[name].ndim != 1 or found[name].dtype.kind not in "iufb" for name in FIELDS):
        raise DeployError(f"{file}: its t, x, y, p are no lists of numbers")
    t = found["t"]
    if t.dtype.kind == "f":  # times in seconds: scaled to whole numbers, which bins need
        if not np.isfinite(t).all():
            raise DeployError(f"{file}: times hold NaN or infinity; remove those events")
        span = float(t.max() - t.min()) or 1.0
        t = np.rint((t - t.min()) / span * 1e9)
    events = np.empty(len(t), RECORD)
    for name, values in (("t", t), ("x", found["x"]), ("y", found["y"]), ("p", found["p"] > 0)):
        events[name] = values
    return events[np.argsort(events["t"], kind="stable")]


def _fields(file: Path) -> dict[str, np.ndarray] | None:
    if file.suffix == ".npz":
        return _named(read_arrays(file))
    if file.suffix == ".npy":
        try:
            rows = np.load(file, allow_pickle=False)
        except (OSError, ValueError, EOFError) as error:
            raise DeployError(f"{file}: no array that numpy.save wrote, or damaged") from error
        x, y, p, t = rows.T if rows.ndim == 2 and rows.shape[1] == 4 else [np.zeros(0)] * 4
        return {"t": t, "x": x, "y": y, "p": p}
    if file.suffix in HDF5:
        return _read_hdf5(file)
    if file.suffix == ".aedat4":
        return _read_aedat4(file)
    raise DeployError(f"{file}: no recording; give {', '.join(SUFFIXES)}")


def _named(arrays: Any) -> dict[str, np.ndarray] | None:
    return {name: np.asarray(arrays[name]) for name in FIELDS} if all(name in arrays for name in FIELDS) else None


def _read_hdf5(file: Path) -> dict[str, np.ndarray] | None:
    import h5py

    try:
        with h5py.File(file) as opened:
            for place in ("/", "events", "CD/events"):
                held: Any = opened.get(place)
                if isinstance(held, h5py.Group) and (found := _named({n: held[n] for n in FIELDS if n in held})):
                    return {name: values[()] for name, values in found.items()}
                if isinstance(held, h5py.Dataset) and held.dtype.names and set(FIELDS) <= set(held.dtype.names):
                    records = held[()]
                    return {name: records[name] for name in FIELDS}
    except OSError as error:
        raise DeployError(
            f"{file}: no HDF5 file, damaged, or compressed by a filter that h5py does not have"
        ) from error
    return None


def _read_aedat4(file: Path) -> dict[str, np.ndarray]:
    try:
        tonic: Any = importlib.import_module("tonic.io")
        events = tonic.read_aedat4(str(file))
    except ImportError as error:
        raise DeployError(f"{file}: AEDAT4 is read by tonic and aedat, which are not installed; {REMEDY}") from error
    except Exception as error:  # the decoder raises many types of exception on a damaged file
        raise DeployError(f"{file}: no AEDAT4 file with events, or damaged ({error})") from error
    t, x, y, p = (events[name] for name in events.dtype.names)
    return {"t": t, "x": x, "y": y, "p": p}
