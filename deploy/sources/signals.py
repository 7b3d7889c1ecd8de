"""Signals over time for the inputs of a NIR graph: an .npz file, or data that nir.write_data wrote."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import nir
import numpy as np

from deploy.errors import DeployError
from deploy.sources.archives import read_arrays
from evaluator.nir_reader import inspect, safely
from targets.nir_graph.windows import LIMIT

LABELS = "y"


@dataclass(frozen=True)
class Signals:
    """Signals for a NIR graph.

    Attributes:
        inputs: (samples, T, *shape) float64 by the name of the graph's input.
        labels: (samples,) integers, or None.
        dt: time step of the signals if the file states one, or events were binned into steps; else None.
    """

    inputs: dict[str, np.ndarray]
    labels: np.ndarray | None = None
    dt: float | None = None


def load_signals(
    path: Path, shapes: Mapping[str, tuple[int, ...]], samples: int | None, steps: int | None, dt: float | None
) -> Signals:
    """Read signals for the inputs of a NIR graph, and check them.

    Args:
        path: an .npz with an array for each input (`x` for a single one), (samples, T, *shape), or (samples, *shape) to
            be held for ``steps`` steps, and labels in `y`; or a file that nir.write_data wrote.
        shapes: by input of the graph, the shape of one time step.
        samples: largest number of samples, the first ones; None takes all.
        steps: largest number of time steps, the first ones; None takes all.
        dt: length of the time steps that events are binned into.

    Raises:
        DeployError: the file cannot be read, or does not suit the graph; the message names file, array and remedy.
    """
    if not path.is_file():
        raise DeployError(f"--input {path}: no such file; give an .npz or a NIR data file")
    labels, known = None, None
    if path.suffix == ".npz":
        arrays = read_arrays(path)
        labels = arrays.pop(LABELS, None) if LABELS not in shapes else None
        if len(shapes) == 1 and "x" in arrays and "x" not in shapes:
            arrays[next(iter(shapes))] = arrays.pop("x")
    else:
        arrays, known = _read_nir(path, dt)
        arrays = {name: a.reshape(*a.shape[:2], *shapes[name]) if name in shapes and _fits(a, shapes[name]) else a
                  for name, a in arrays.items()}  # fmt: skip
    if missing := [name for name in shapes if name not in arrays]:
        held = ", ".join(sorted(arrays)) or "nothing"
        raise DeployError(f"{path}: no array `{missing[0]}`, an input of the graph; it holds {held}")
    inputs = {name: _signal(arrays[name][:samples], name, shape, steps, path) for name, shape in shapes.items()}
    if len({x.shape[:2] for x in inputs.values()}) > 1:
        counts = ", ".join(f"{name} {x.shape[0]} of {x.shape[1]} steps" for name, x in inputs.items())
        raise DeployError(f"{path}: inputs differ in samples or steps ({counts}); pair them up")
    if labels is not None:
        labels = np.asarray(labels)[:samples]
        if labels.dtype.kind not in "iu" or labels.shape != (len(next(iter(inputs.values()))),):
            raise DeployError(f"{path}: labels `y` are {labels.dtype} {labels.shape}; give one integer per sample")
    return Signals(inputs, labels, known)


def _fits(array: np.ndarray, shape: tuple[int, ...]) -> bool:
    return array.ndim == 3 and array.shape[2] == math.prod(shape)


def _read_nir(path: Path, dt: float | None) -> tuple[dict[str, np.ndarray], float | None]:
    """The first observable of each node on a time grid, and the grid's time step."""
    safely(_load, path)
    arrays: dict[str, np.ndarray] = {}
    known: float | None = None
    for name, node in _load(path).nodes.items():
        observed = next(iter(node.observables.values()))
        if isinstance(observed, nir.EventData):
            if dt is None:
                raise DeployError(f"{path}: holds events; --dt says how long a step is")
            if not 0 < observed.t_max / dt * observed.n_neurons * observed.n_samples < LIMIT:
                raise DeployError(f"{path}: {observed.t_max:g} of events make too many steps of {dt:g}")
            observed = observed.to_time_gridded(dt)
        known = observed.dt
        arrays[name] = observed.data
    return arrays, known


def _load(path: Path) -> Any:
    try:
        with h5py.File(path, "r") as file:
            inspect(file, path)
        return nir.read_data(str(path))
    except DeployError:
        raise
    except Exception as error:  # the readers raise many types of exception on a damaged file
        reason = " ".join(str(error).split())[:300]
        raise DeployError(f"{path}: neither .npz nor NIR data ({type(error).__name__}: {reason})") from error


def _signal(x: np.ndarray, name: str, shape: tuple[int, ...], steps: int | None, path: Path) -> np.ndarray:
    where = f"{path}: array `{name}`"
    if x.dtype.kind not in "fiub" or not x.size:
        raise DeployError(f"{where} is {x.dtype} {x.shape}; numbers are needed, at least one sample")
    if x.shape[1:] == shape and steps is not None:
        x = np.broadcast_to(x[:, None], (len(x), steps, *shape))
    if (
        shape
        and x.shape[2 : x.ndim - len(shape)]
        and set(x.shape[2 : x.ndim - len(shape)]) == {1}
        and x.shape[-len(shape) :] == shape
    ):
        x = x.reshape(*x.shape[:2], *shape)  # drop the batch axis that the file's Input declares
    if x.ndim < 2 or x.shape[2:] != shape:
        wanted = ", ".join(map(str, ("samples", "steps", *shape)))
        held = "" if x.shape[1:] != shape else "; --steps N holds it for N steps"
        raise DeployError(f"{where} has shape {x.shape}; the graph takes ({wanted}){held}")
    x = x[:, :steps]
    if not np.isfinite(x).all():
        raise DeployError(f"{where} holds NaN or infinity; remove or repair the samples")
    return np.asarray(x, np.float64)
