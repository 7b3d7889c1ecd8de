"""A grid of conversions, each measured by one closed-form run: what T, B, method and precision cost and bring.

Points are worked on by processes of this machine. Each finished point is a file, so a sweep that was interrupted, or is
asked for more points, goes on with those that it has.
"""

from __future__ import annotations

import itertools
import json
import multiprocessing
import os
import shutil
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from deploy.errors import DeployError
from deploy.options import ConvertOptions, check_positive
from deploy.progress import Progress
from deploy.report.sweep import write_page
from deploy.report.write import plain
from deploy.sweep.front import fronts
from deploy.sweep.point import Point, load_material, original, run_point
from targets import registry
from targets.children import follow

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


def sweep(options: SweepOptions, progress: Progress | None = None) -> dict[str, Any]:
    """Run what is missing of a sweep, and write sweep.json and sweep.html into its folder.

    Returns:
        The content of sweep.json. Points that could not be converted have ``failed``, the reason, and nothing else.

    Raises:
        DeployError: whatever the user can put right; finished points stay.
    """
    options.check()
    progress = progress or Progress()
    folder = options.out.expanduser().absolute()
    shared = replace(options.convert, target="closed-form", out=None, force=False)
    _prepare(folder, shared, options.force)
    points = options.points()
    for tokens in dict.fromkeys(point.tokens for point in points):
        _original(folder, shared, tokens, progress)
    files = {point: folder / POINTS / f"{point.name}.json" for point in points}
    missing = [point for point in points if not files[point].exists()]
    with progress.stage("sweep", len(points)) as advance:
        advance(len(points) - len(missing))
        for point, result in _results(folder, shared, missing, options.workers or os.cpu_count() or 1):
            _write(files[point], result)
            advance(1)
    done = [json.loads(files[point].read_text(encoding="utf-8")) for point in points]
    for point, result in zip(points, done, strict=True):
        if "failed" in result:
            files[point].unlink()  # tried again next time
    content = plain({"options": shared.record(), "points": done, "fronts": fronts(done)})
    _write(folder / RESULT, content)
    write_page(folder / PAGE, content)
    return content


def _prepare(folder: Path, shared: ConvertOptions, force: bool) -> None:
    """Make the folder, or find in it a sweep of the same model and data."""
    plan = shared.record()
    if folder.exists() and any(folder.iterdir()):
        if not (folder / PLAN).is_file():
            raise DeployError(f"-o {folder}: holds something else than a sweep; choose another folder")
        if json.loads((folder / PLAN).read_text(encoding="utf-8")) == plan and not force:
            return
        if not force:
            raise DeployError(f"-o {folder}: holds a sweep with other options; --force replaces it, or choose another folder")
        shutil.rmtree(folder)
    try:
        (folder / POINTS).mkdir(parents=True, exist_ok=True)
        _write(folder / PLAN, plan)
    except OSError as error:
        raise DeployError(f"-o {folder}: cannot be written ({error.strerror}); choose another folder") from error


def _original(folder: Path, shared: ConvertOptions, tokens: int | None, progress: Progress) -> None:
    """The original model's outputs, which every point is compared with."""
    file = original(folder, tokens)
    if file.exists():
        return
    from deploy.measure import ann_outputs

    material = load_material(shared, tokens)
    with progress.stage("original model", len(material.evaluation)) as advance:
        done = [0]

        def report(now: int, total: int) -> None:
            advance(now - done[0])
            done[0] = now

        outputs = ann_outputs(material.model.module, material.evaluation.inputs, shared.batch_size, report).outputs
    part = file.with_suffix(".part.npy")
    np.save(part, outputs)
    part.replace(file)


def _results(
    folder: Path, shared: ConvertOptions, points: list[Point], workers: int
) -> Iterator[tuple[Point, dict[str, Any]]]:
    """Points as they are done."""
    if not points:
        return
    spawn = multiprocessing.get_context("spawn")  # PyTorch's and numba's threads do not survive a fork
    pool = ProcessPoolExecutor(min(workers, len(points)), spawn, follow, (os.getpid(),))
    try:
        waiting = {pool.submit(run_point, shared, point, original(folder, point.tokens)): point for point in points}
        for future in as_completed(waiting):
            yield waiting[future], future.result()
    finally:
        for process in list((pool._processes or {}).values()):
            process.kill()  # what they still do is nobody's any more
        pool.shutdown(wait=True, cancel_futures=True)


def _write(file: Path, content: Any) -> None:
    """Whole or not at all."""
    part = file.with_suffix(".part")
    part.write_text(json.dumps(content, indent=1, allow_nan=False) + "\n", encoding="utf-8")
    part.replace(file)
