"""Evaluation of a converted network on whole data sets: in batches, by many workers, resumable.

A data set is cut into batches of a fixed size, whoever works on them, and each finished batch is a file in the
conversion's folder. So the result depends on the number of workers as little as on interruptions.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from deploy.availability import available
from deploy.conversion import reload
from deploy.errors import DeployError
from deploy.evaluation.engines import on_cluster, on_this_machine
from deploy.evaluation.work import Batch, Job
from deploy.options import EvaluateOptions
from deploy.output import GRAPH, require_conversion
from deploy.progress import Progress
from deploy.sources import Data
from targets import registry

RESULT, SAMPLES = "evaluation.json", "evaluation.npz"
UNFINISHED, PLAN = "evaluation.unfinished", "plan.json"
STEPPED_BATCH = 4
"""Samples per batch of a target that steps: it records every neuron."""


def evaluate(options: EvaluateOptions, progress: Progress | None = None) -> dict[str, Any]:
    """Evaluate a converted network, and write evaluation.json and evaluation.npz (a row per sample) beside it.

    Returns:
        The content of evaluation.json.

    Raises:
        DeployError: whatever the user can put right; finished batches stay, for ``resume``.
    """
    options.check(registry())
    available(registry()[options.target])
    folder = require_conversion(options.folder.expanduser()).absolute()
    _, model, data = reload(folder, options.data)
    data = data if options.limit is None else data.take(slice(options.limit))
    size = options.batch_size or (64 if options.target == "closed-form" else STEPPED_BATCH)
    classes = model.classes is not None or data.labels is not None
    job = Job(folder, options.target, options.granularity, classes)
    place = _place(folder, _plan(job, data, size), options)
    total = -(-len(data) // size)
    files = [place / f"{number:06d}.npz" for number in range(total)]

    def cut(number: int) -> Sequence[np.ndarray]:
        return [array[number * size : (number + 1) * size] for array in data.inputs.values()]

    missing = [number for number, file in enumerate(files) if not file.exists()]
    with (progress or Progress()).stage(f"evaluate on {options.target}", len(data)) as advance:
        advance(len(data) - sum(len(cut(number)[0]) for number in missing))
        if options.cluster is None:
            done = on_this_machine(job, missing, cut, options.workers or os.cpu_count() or 1)
        else:
            done = on_cluster(job, missing, cut, options.cluster)
        for number, batch in done:
            batch.save(files[number])
            advance(len(batch.cosine))
    result = _write(folder, options, data, [Batch.load(file) for file in files])
    shutil.rmtree(place)
    return result


def _plan(job: Job, data: Data, size: int) -> dict[str, str | int]:
    """What finished batches depend on."""
    digest = hashlib.sha256((job.folder / GRAPH).read_bytes())
    for name, array in data.inputs.items():
        digest.update(f"{name} {array.dtype} {array.shape}".encode())
        digest.update(np.ascontiguousarray(array).data)
    return {
        "network and data": digest.hexdigest(), "samples": len(data), "batch size": size, "target": job.target,
        "granularity": job.granularity,
    }  # fmt: skip


def _place(folder: Path, plan: dict[str, str | int], options: EvaluateOptions) -> Path:
    """The folder of finished batches, empty or to go on with."""
    place = folder / UNFINISHED
    if place.exists():
        try:
            found = json.loads((place / PLAN).read_text(encoding="utf-8"))
        except (OSError, ValueError):
            found = {}
        differing = [key for key, value in plan.items() if found.get(key) != value]
        if options.resume and differing:
            raise DeployError(
                f"{folder}: the interrupted evaluation had another {differing[0]}; repeat its options, or give --force "
                "instead of --resume to begin anew"
            )
        if options.resume:
            return place
        if found and not options.force:
            done = len(list(place.glob("*.npz")))
            raise DeployError(
                f"{folder}: an interrupted evaluation is there ({done} batches done); --resume goes on with it, --force "
                "begins anew"
            )
        shutil.rmtree(place)
    place.mkdir()
    unfinished = place / f"{PLAN}.part"
    unfinished.write_text(json.dumps(plan), encoding="utf-8")
    unfinished.replace(place / PLAN)
    return place


def _write(folder: Path, options: EvaluateOptions, data: Data, batches: list[Batch]) -> dict[str, Any]:
    rows = {name: np.concatenate([getattr(batch, name) for batch in batches]) for name in Batch.ARRAYS}
    counts, seconds = Counter[str](), Counter[str]()
    for batch in batches:
        counts.update(batch.counts)
        seconds.update(batch.seconds)
    samples, labels = len(data), data.labels
    spikes = counts.pop("spikes")
    result: dict[str, Any] = {
        "samples": samples,
        "target": options.target,
        "data": data.source,
        "ann": {},
        "snn": {
            "output_cosine": float(rows["cosine"].mean()),
            "relative_error": float(np.sqrt(rows["squared_error"].sum() / rows["squared_norm"].sum())),
        },
        "spikes": {"total_per_sample": spikes / samples},
    }
    if len(rows["original"]):
        result["agreement"] = float((rows["original"] == rows["spiking"]).mean())
        if labels is not None:
            result["ann"]["accuracy"] = float((rows["original"] == labels).mean())
            result["snn"]["accuracy"] = float((rows["spiking"] == labels).mean())
    if "saturations" in counts:
        result["saturations"] = counts.pop("saturations")
    if "mismatches" in counts:
        result["exactness"] = dict(counts)
        first = next((batch.first for batch in batches if batch.first), "")
        result["exactness"] |= {"first": first} if first else {}
    result["seconds"] = {f"{name}_per_sample": value / samples for name, value in sorted(seconds.items())}
    if labels is not None:
        rows["labels"] = labels
    with (folder / f"{SAMPLES}.part").open("wb") as file:
        np.savez(file, **{name: array for name, array in rows.items() if len(array)})  # type: ignore[arg-type]
    (folder / f"{SAMPLES}.part").replace(folder / SAMPLES)
    unfinished = folder / f"{RESULT}.part"
    unfinished.write_text(json.dumps(result, indent=2), encoding="utf-8")
    unfinished.replace(folder / RESULT)
    return result
