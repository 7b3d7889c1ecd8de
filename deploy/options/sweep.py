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
"""What tells a sweep's folder from others, and what is in it once the sweep is done."""


@dataclass(frozen=True)
class Point:
    """A combination of settings; tokens: length that text is cut to, None for all of it."""

    timesteps: int
    base: float | str
    method: str
    precision: str
    spikes: int | str
    tokens: int | None = None

    @property
    def name(self) -> str:
        """A file name."""
        length = "" if self.tokens is None else f"-{self.tokens}tokens"
        return f"T{self.timesteps}-B{self.base}-{self.method}-{self.precision}-{self.spikes}spikes{length}"

    def options(self, shared: ConvertOptions) -> ConvertOptions:
        """Those of a conversion at this point."""
        return replace(
            shared, timesteps=self.timesteps, base=cast(Any, self.base), method=self.method, precision=self.precision,
            spikes=cast(Any, self.spikes),
        )  # fmt: skip


@dataclass(frozen=True)
class SweepOptions:
    """Options of `deploy sweep`: every combination of the sequences is a point.

    convert: what all points share; its own timesteps, base, method, precision and spikes are not read. tokens: lengths
    that text is cut to, empty to leave it as it is. workers: processes, None for one per core. force: start anew.
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
        """The grid, without repetitions."""
        axes = (self.timesteps, self.base, self.methods, self.precisions, self.spikes, self.tokens or (None,))
        return list(dict.fromkeys(Point(*values) for values in itertools.product(*axes)))

    def folder(self) -> Path:
        """Where results go."""
        return self.out.expanduser().absolute()

    def check(self) -> None:
        """Raises DeployError for the first option that cannot be meant, a file that is not there, or a folder of others."""
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
