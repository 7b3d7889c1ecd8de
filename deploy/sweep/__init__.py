"""Sweeps: a grid of conversions over T, B, spikes, method and precision, each measured by one closed-form run.

Processes of this machine convert the points. Each finished point is a file, so a sweep that was interrupted, or is
asked for more points, keeps those that it has.
"""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

from deploy import schema
from deploy.errors import DeployError
from deploy.options import ConvertOptions
from deploy.options.devices import usual_workers
from deploy.options.sweep import PLAN, RESULT, SweepOptions
from deploy.progress import Progress
from deploy.report.sweep import write_page
from deploy.sweep.front import fronts
from deploy.sweep.point import keep_original, load_material, original
from deploy.sweep.workers import processes, results
from processes.files import write_text

PAGE, POINTS = "sweep.html", "points"

__all__ = ["PAGE", "PLAN", "RESULT", "SweepOptions", "sweep"]


def sweep(options: SweepOptions, progress: Progress | None = None) -> schema.Sweep:
    """Convert and measure the missing points of a sweep, and write sweep.json and sweep.html into its folder.

    Returns:
        What sweep.json holds, including points that could not be converted, which the next call tries again.

    Raises:
        DeployError: an option, the model or the data is not valid, the folder holds a sweep with other options, or a
            worker process died. Finished points stay.
    """
    options.check()
    progress = progress or Progress()
    folder = options.folder()
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
    """The options that a folder's sweep was run with; {} if their file is missing or damaged."""
    try:
        return schema.loads(dict[str, Any], file.read_bytes(), file)
    except (OSError, DeployError):
        return {}


def _prepare(folder: Path, shared: ConvertOptions, force: bool) -> None:
    """Make the sweep's folder, or accept one with the same shared options; raises DeployError for another one."""
    plan = shared.record()
    if folder.exists() and any(folder.iterdir()):
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
