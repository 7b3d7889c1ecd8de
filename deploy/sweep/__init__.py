"""A grid of conversions, each measured by one closed-form run: what T, B, method and precision cost and bring.

Points are worked on by processes of this machine. Each finished point is a file, so a sweep that was interrupted, or is
asked for more points, goes on with those that it has.
"""

from __future__ import annotations

import itertools
import json
import shutil
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from deploy import schema
from deploy.errors import DeployError
from deploy.options import ConvertOptions, check_positive
from deploy.options.devices import usual_workers
from deploy.progress import Progress
from deploy.report.sweep import write_page
from deploy.sweep.front import fronts
from deploy.sweep.point import Point, keep_original, load_material, original
from deploy.sweep.workers import processes, results
from processes.files import write_text
from targets import registry

PLAN, RESULT, PAGE, POINTS = "plan.json", "sweep.json", "sweep.html", "points"


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

    def check(self) -> None:
        """Raises DeployError for the first option that cannot be meant."""
        for point in self.points():
            point.options(self.convert).check(registry())
            if point.tokens is not None:
                check_positive("--tokens", point.tokens)
        if self.workers is not None:
            check_positive("--workers", self.workers)


def sweep(options: SweepOptions, progress: Progress | None = None) -> schema.Sweep:
    """Run what is missing of a sweep, and write sweep.json and sweep.html into its folder.

    Returns:
        What sweep.json holds, points that could not be converted among them.

    Raises:
        DeployError: whatever the user can put right; finished points stay.
    """
    options.check()
    progress = progress or Progress()
    folder = options.out.expanduser().absolute()
    shared = replace(options.convert, target="closed-form", out=None, force=False, budget=None)
    _prepare(folder, shared, options.force)
    points = options.points()
    for tokens in dict.fromkeys(point.tokens for point in points):
        if not original(folder, tokens).exists():
            material = load_material(shared, tokens)
            keep_original(
                original(folder, tokens), material.model, material.judged, shared.batch_size, progress, shared.device
            )
    files = {point: folder / POINTS / f"{point.name}.json" for point in points}
    missing = [point for point in points if not files[point].exists()]
    with (
        progress.stage("sweep", len(points)) as advance,
        processes(options.workers or usual_workers(shared.device)) as pool,
    ):
        advance(len(points) - len(missing))
        for point, result in results(pool, shared, missing, folder):
            write_text(files[point], schema.dumps(result))
            advance(1)
    done: tuple[schema.Point, ...] = tuple(
        schema.loads(schema.Point, files[point].read_bytes(), files[point]) for point in points
    )
    for point, result in zip(points, done, strict=True):
        if isinstance(result, schema.Failed):
            files[point].unlink()  # tried again next time
    content = schema.Sweep(options=shared, points=done, fronts=fronts(done))
    write_text(folder / RESULT, schema.dumps(content))
    write_page(folder / PAGE, content)
    return content


def _kept(file: Path) -> dict[str, Any]:
    """What the sweep in a folder was asked for; nothing known of it where the file is damaged."""
    try:
        return schema.loads(dict[str, Any], file.read_bytes(), file)
    except (OSError, DeployError):
        return {}


def _prepare(folder: Path, shared: ConvertOptions, force: bool) -> None:
    """Make the folder, or find in it a sweep of the same model and data."""
    plan = shared.record()
    if folder.exists() and any(folder.iterdir()):
        if not (folder / PLAN).is_file():
            raise DeployError(f"-o {folder}: holds something else than a sweep; choose another folder")
        if _kept(folder / PLAN) == plan and not force:
            return
        if not force:
            raise DeployError(
                f"-o {folder}: holds a sweep with other options; --force replaces it, or choose another folder"
            )
        shutil.rmtree(folder)
    try:
        (folder / POINTS).mkdir(parents=True, exist_ok=True)
        write_text(folder / PLAN, json.dumps(plan, indent=1) + "\n")
    except OSError as error:
        raise DeployError(f"-o {folder}: cannot be written ({error.strerror}); choose another folder") from error
