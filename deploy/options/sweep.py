"""Options of `deploy sweep`: the points of a grid, checked before any of them is converted."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, cast

from deploy.errors import DeployError
from deploy.options.checks import check_positive
from deploy.options.convert import ConvertOptions
from targets import registry

PLAN, RESULT = "plan.json", "sweep.json"
"""Files in a sweep's folder: the plan, which identifies the folder as a sweep's, and the result of a finished sweep."""


@dataclass(frozen=True)
class Point:
    """A combination of settings, one conversion of a sweep.

    Attributes:
        timesteps, base, method, precision, spikes: as the options of `deploy convert`.
        tokens: length that text is cut to, or of a language model's windows; None to leave it.
    """

    timesteps: int
    base: float | str
    method: str
    precision: str
    spikes: int | str
    tokens: int | None = None

    @property
    def name(self) -> str:
        """Name of the point's file, without an ending."""
        length = "" if self.tokens is None else f"-{self.tokens}tokens"
        return f"T{self.timesteps}-B{self.base}-{self.method}-{self.precision}-{self.spikes}spikes{length}"

    def options(self, shared: ConvertOptions) -> ConvertOptions:
        """Options of the conversion at this point, which takes all other settings from ``shared``."""
        return replace(
            shared, timesteps=self.timesteps, base=cast(Any, self.base), method=self.method, precision=self.precision,
            spikes=cast(Any, self.spikes),
        )  # fmt: skip


@dataclass(frozen=True)
class SweepOptions:
    """Options of `deploy sweep`: every combination of the sequences' values is a point.

    Attributes:
        convert: options that all points share; its timesteps, base, method, precision and spikes are not read.
        out: folder of the results.
        timesteps, base, methods, precisions, spikes: values of the settings.
        tokens: lengths that text is cut to; empty to leave it as it is.
        workers: number of processes; None for one per core, 1 on a CUDA device.
        force: whether to replace an earlier sweep in the folder.
    """

    convert: ConvertOptions
    out: Path
    timesteps: Sequence[int] = (8, 16, 24, 32, 40)
    base: Sequence[float | str] = ("auto",)
    methods: Sequence[str] = (ConvertOptions.method,)
    precisions: Sequence[str] = (ConvertOptions.precision,)
    spikes: Sequence[int | str] = (1,)
    tokens: Sequence[int] = ()
    workers: int | None = None
    force: bool = False

    def points(self) -> list[Point]:
        """All points of the grid, each once."""
        axes = (self.timesteps, self.base, self.methods, self.precisions, self.spikes, self.tokens or (None,))
        return list(dict.fromkeys(Point(*values) for values in itertools.product(*axes)))

    def folder(self) -> Path:
        """Absolute path of the folder of the results."""
        return self.out.expanduser().absolute()

    def check(self) -> None:
        """Raise DeployError for an invalid option at any point, a missing file, or a folder of something else."""
        for point in self.points():
            point.options(self.convert).check(registry())
            if point.tokens is not None:
                check_positive("--tokens", point.tokens)
        if self.workers is not None:
            check_positive("--workers", self.workers)
        self.convert.check_paths()
        folder = self.folder()
        if folder.exists() and not folder.is_dir():
            raise DeployError(f"-o {folder}: is a file; choose a folder")
        if folder.is_dir() and any(folder.iterdir()) and not (folder / PLAN).is_file():
            raise DeployError(f"-o {folder}: holds something else than a sweep; choose another folder")
