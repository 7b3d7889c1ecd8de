"""Data that the page draws but report.json does not hold, and the file that keeps it for figures drawn later."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from deploy.errors import DeployError
from deploy.measure import AttentionMap, RasterLayer, Stage
from deploy.sources.archives import read_arrays
from processes.files import atomic_write

FILE = "figures.npz"
"""The file's name in a conversion's folder."""
ARRAYS = {"raster": ("steps", "rows", "signs"), "attention": ("original", "spiking")}
"""By part of :class:`Figures`, the fields of its entries that are arrays; other fields are plain values."""


@dataclass(frozen=True)
class Figures:
    """Data that the page draws but report.json does not hold; parts that were not measured are empty.

    Attributes:
        scatter: (original, decoded) real values by firing node, in random order.
        raster: spikes of one sample.
        stages: the schedule, from :func:`deploy.measure.stages`.
        attention: maps of the same sample, from :func:`deploy.measure.attention_maps`.
        sample: the sample (*sample) that raster and attention belong to.
    """

    scatter: Mapping[str, tuple[np.ndarray, np.ndarray]] = field(default_factory=dict)
    raster: Sequence[RasterLayer] = ()
    stages: Sequence[Stage] = ()
    attention: Sequence[AttentionMap] = ()
    sample: np.ndarray | None = None


def write_figures(folder: Path, figures: Figures) -> None:
    """Write figures as the folder's figures.npz: arrays, and an index of names and plain values in JSON."""
    arrays: dict[str, np.ndarray] = {} if figures.sample is None else {"sample": figures.sample}
    for number, (original, decoded) in enumerate(figures.scatter.values()):
        arrays[f"scatter.{number}"] = np.stack([original, decoded]).astype(np.float32)
    index: dict[str, Any] = {"scatter": list(figures.scatter), "stages": [asdict(stage) for stage in figures.stages]}
    for part, parts in (("raster", figures.raster), ("attention", figures.attention)):
        index[part] = []
        for number, one in enumerate(parts):
            values = asdict(one)
            arrays |= {f"{part}.{number}.{key}": values.pop(key) for key in ARRAYS[part]}
            index[part].append(values)
    with atomic_write(folder / FILE) as file:
        np.savez_compressed(file, index=np.array(json.dumps(index)), **arrays)  # type: ignore[arg-type]


def read_figures(folder: Path) -> Figures:
    """Read the folder's figures.npz as :func:`write_figures` wrote it; empty figures if the folder has no such file.

    Raises:
        DeployError: the file is damaged.
    """
    path = folder / FILE
    if not path.is_file():
        return Figures()
    arrays = read_arrays(path)
    try:
        index = json.loads(str(arrays["index"]))

        def parts(kind: Any, part: str) -> list[Any]:
            return [
                kind(**values, **{key: arrays[f"{part}.{number}.{key}"] for key in ARRAYS[part]})
                for number, values in enumerate(index[part])
            ]

        attention = [{**one, "tokens": tuple(one["tokens"])} for one in index["attention"]]
        index["attention"] = attention
        scatter = {name: tuple(arrays[f"scatter.{number}"]) for number, name in enumerate(index["scatter"])}
        return Figures(
            {name: (original, decoded) for name, (original, decoded) in scatter.items()},
            parts(RasterLayer, "raster"),
            [Stage(**stage) for stage in index["stages"]],
            parts(AttentionMap, "attention"),
            arrays.get("sample"),
        )
    except (KeyError, TypeError, ValueError) as error:
        raise DeployError(f"{path}: damaged, or not written by deploy; convert again with --force") from error
