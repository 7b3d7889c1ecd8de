"""Evaluation of a converted network on whole data sets: in batches, by many workers, resumable.

A data set is cut into batches of a fixed size, whatever the number of workers, and each finished batch is a file in the
conversion's folder. So the result depends neither on the number of workers nor on interruptions.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from deploy.availability import available
from deploy.cautions import silent_network
from deploy.errors import DeployError
from deploy.evaluation.engines import on_cluster, on_this_machine
from deploy.evaluation.summary import Batch, joined, summed
from deploy.evaluation.work import Job
from deploy.language.scores import windows
from deploy.options import EvaluateOptions, overlapping
from deploy.options.devices import usual_workers
from deploy.origin import Trust, origin_of
from deploy.output import GRAPH, require_conversion
from deploy.overlap import overlaps
from deploy.progress import Progress
from deploy.schema import Evaluation, Overlap, dumps, loads, read_report
from deploy.sources import Data
from evaluator.network_file import read
from evaluator.timeline import timeline
from processes.backends.devices import described, device_named
from processes.files import atomic_write, write_text
from targets import registry

RESULT, SAMPLES = "evaluation.json", "evaluation.npz"
UNFINISHED, PLAN = "evaluation.unfinished", "plan.json"
STEPPED_BATCH = 4
"""Samples per batch on a target that steps; small, as every neuron is recorded."""
OVERLAPPED_BATCH = 16
"""Samples per batch on a target that steps overlapping samples."""


def evaluate(options: EvaluateOptions, progress: Progress | None = None) -> Evaluation:
    """Evaluate a converted network on a data set beside the original model.

    Writes evaluation.json and evaluation.npz (a row per sample) into the conversion's folder.

    Returns:
        What evaluation.json holds.

    Raises:
        DeployError: an option, the folder or the data is not valid, an unfinished evaluation is there and neither
            ``resume`` nor ``force`` is set, or a batch failed. Finished batches stay, for ``resume``.
    """
    options.check(registry())
    available(registry()[options.target])
    device = options.device if options.cluster is not None else described(device_named(options.device))
    folder = require_conversion(options.folder.expanduser()).absolute()
    trust = Trust(options.trust, options.model)
    origin = origin_of(folder, trust=trust)
    model = origin.model
    data = (
        origin.evaluation if options.data is None else origin.load(options.data, read(folder / GRAPH), options.labels)
    )
    length, stride = 0, 0
    if model.text is not None and model.text.causal:
        length = data.inputs["input_ids"].shape[1]
        stride = options.stride or max(1, length // 2)
        data = _read_text(data, stride)
    elif options.stride is not None:
        raise DeployError(f"--stride {options.stride}: {model.spec} is no language model; leave the option out")
    data = data if options.limit is None else data.take(slice(options.limit))
    sets = overlapping(options.overlap, options.state_sets)
    stepped = STEPPED_BATCH if sets is None else OVERLAPPED_BATCH
    size = options.batch_size or (64 if options.target == "closed-form" else stepped)
    classes = model.scores or data.labels is not None
    job = Job(folder, options.target, options.granularity, classes, stride > 0, trust, sets, options.device)
    place = _place(folder, _plan(job, data, size), options)
    total = -(-len(data) // size)
    files = [place / f"{number:06d}.npz" for number in range(total)]

    def cut(number: int) -> Sequence[np.ndarray]:
        return [array[number * size : (number + 1) * size] for array in data.inputs.values()]

    missing = [number for number, file in enumerate(files) if not file.exists()]
    with (progress or Progress()).stage(f"evaluate on {options.target}", len(data)) as advance:
        advance(len(data) - sum(len(cut(number)[0]) for number in missing))
        if options.cluster is None:
            done = on_this_machine(job, missing, cut, options.workers or usual_workers(options.device))
        else:
            done = on_cluster(job, missing, cut, options.cluster)
        for number, batch in done:
            batch.save(files[number])
            advance(len(batch.cosine))
    result = _write(folder, options, data, [Batch.load(file) for file in files], (length, stride), device)
    shutil.rmtree(place)
    return result


def _plan(job: Job, data: Data, size: int) -> dict[str, str | int]:
    """What finished batches depend on: ``resume`` goes on with them only if none of it has changed."""
    digest = hashlib.sha256((job.folder / GRAPH).read_bytes())
    for name, array in data.inputs.items():
        digest.update(f"{name} {array.dtype} {array.shape}".encode())
        digest.update(np.ascontiguousarray(array).data)
    return {
        "network and data": digest.hexdigest(), "samples": len(data), "batch size": size, "target": job.target,
        "granularity": job.granularity, "sets of state": job.state_sets or 0, "device": job.device,
    }  # fmt: skip


def _place(folder: Path, plan: dict[str, str | int], options: EvaluateOptions) -> Path:
    """The folder of finished batches: a new one, or with ``resume`` that of an interrupted evaluation.

    Raises:
        DeployError: one is there and neither ``resume`` nor ``force`` is set, or ``resume`` finds another plan.
    """
    place = folder / UNFINISHED
    if place.exists():
        try:
            found = loads(dict[str, str | int], (place / PLAN).read_bytes(), place / PLAN)
        except (OSError, DeployError):  # the plan is missing or damaged
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
    write_text(place / PLAN, json.dumps(plan))
    return place


def _read_text(data: Data, stride: int) -> Data:
    """Cut a language model's data into overlapping windows; the result has arrays "tokens" (N, T) and "counted" (N, 2).

    Text arrives in windows without gaps, which are joined to one document; each row of token numbers from an .npz is a
    document.
    """
    given = data.inputs["input_ids"]
    documents = [given.reshape(-1)] if data.transform else list(given)
    parts = [windows(document, given.shape[1], stride) for document in documents]
    inputs = {name: np.concatenate([getattr(part, name) for part in parts]) for name in ("tokens", "counted")}
    return replace(data, inputs=inputs)


def _write(
    folder: Path, options: EvaluateOptions, data: Data, batches: list[Batch], text: tuple[int, int], device: str
) -> Evaluation:
    """Write evaluation.npz and evaluation.json, whole or not at all."""
    rows = joined(batches)
    if data.labels is not None:
        rows["labels"] = data.labels
    with atomic_write(folder / SAMPLES) as file:
        np.savez(file, **{name: array for name, array in rows.items() if len(array)})  # type: ignore[arg-type]
    result = summed(options.target, data.source, batches, data.labels, text)
    report = read_report(folder)
    found = silent_network(result.spikes.total_per_sample, (layer.name for layer in report.layers if layer.neurons))
    kept = tuple(caution for caution in report.warnings if caution.kind != "silent")
    result = replace(result, warnings=(*found, *kept), overlap=_overlap(folder, options), device=device)
    write_text(folder / RESULT, dumps(result))
    return result


def _overlap(folder: Path, options: EvaluateOptions) -> Overlap | None:
    """The interval at which the samples of a batch followed each other; None if they did not overlap."""
    sets = overlapping(options.overlap, options.state_sets)
    if sets is None:
        return None
    network = read(folder / GRAPH)
    return overlaps(network, timeline(network), (sets,))[0]
