"""What the commands do, as functions: convert, run, verify, load."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import numpy as np

from deploy import measure
from deploy.availability import available
from deploy.conversion import calibration_and_evaluation, convert_model, host_input, load, reload
from deploy.examine import Examination
from deploy.execute import execute
from deploy.measure.flops import flops_formula
from deploy.options import ConvertOptions
from deploy.output import GRAPH, output_folder, require_conversion
from deploy.place import placed
from deploy.progress import Progress
from deploy.report import add_to_report, write_report
from deploy.results import RunResult, Verification
from deploy.sources import load_model, shared_samples
from deploy.sweep.budget import search
from evaluator.compare import compare
from evaluator.network_file import read, write
from targets import registry

__all__ = ["convert", "evaluation_inputs", "load", "run", "verify"]


def convert(options: ConvertOptions, progress: Progress | None = None) -> dict[str, Any]:
    """Convert a model, run it, and write graph.nir, report.json and report.html to ``options.folder()``.

    Under a budget, the cheapest code within it is searched for first, by worker processes: a script then has to call this
    under ``if __name__ == "__main__":``.

    Returns:
        The content of report.json.

    Raises:
        DeployError: whatever the user can put right; nothing half-written is left.
    """
    progress = progress or Progress()
    known = registry()
    options.check(known)
    target = available(known[options.target])
    with output_folder(options.folder(), options.force) as folder:
        model = load_model(options.model, options.weights, options.seed)
        calibration, evaluation = calibration_and_evaluation(options, model)
        found = None
        if options.budget is not None:
            classes = model.classes is not None or evaluation.labels is not None
            found = search(options, model, calibration, classes, progress)
            options = found.options
        begin = time.perf_counter()
        conversion = convert_model(options, model, calibration, progress)
        seconds = {"convert": time.perf_counter() - begin}
        write(folder / GRAPH, conversion.network)
        restored = read(folder / GRAPH)  # what runs from here on is what the file holds
        restored.units = conversion.network.units
        work = Examination(options, model, conversion, restored, evaluation, progress)
        report, figures = work.measure(target, seconds)
        if conversion.tuning is not None:
            report["codes"] = measure.codes(conversion.tuning)
            report["corrected_biases"] = conversion.corrected
        report |= work.parts() | {"flops_formula": flops_formula(restored, report["layers"])}
        report["placement"] = placed(restored)
        report["budget"] = None if found is None else found.record
        report |= {"calibration_samples": len(calibration), "shared_samples": shared_samples(calibration, evaluation)}
        return write_report(folder, report, figures)


def run(
    network: Path, data: Path | None, target: str, samples: int, granularity: str, progress: Progress | None = None,
    segments_in: str | None = None,
) -> RunResult:  # fmt: skip
    """Run ``samples`` samples of ``data`` (None: the evaluation data of the conversion) on a target.

    ``segments_in``: instead, the closed form with its plain segments stepped by that simulator. What only
    that target tells (energy and latency of a simulated chip, ...) is added to report.json.
    """
    folder = require_conversion(network)
    restored, model, loaded = reload(folder, data)
    loaded = loaded.take(slice(samples))
    result = execute(
        restored, host_input(model, loaded), target, granularity, progress or Progress(), segments_in, loaded.labels,
        model.class_names,
    )  # fmt: skip
    if result.measured:
        add_to_report(folder, "targets", {target: dict(result.measured)})
    return result


def verify(folder: Path, samples: int, granularity: str, progress: Progress | None = None) -> Verification:
    """Run evaluation samples through Lava and the closed form and compare every spike and potential."""
    progress = progress or Progress()
    lava = available(registry()["lava-sim"])
    restored, model, loaded = reload(require_conversion(folder), None)
    inputs = host_input(model, loaded.take(slice(samples)))
    with progress.stage("run on lava-sim", len(inputs)) as advance:
        result = lava.run(restored, inputs, granularity, lambda _: advance(1))
    found = compare(restored, inputs, result)
    return Verification(
        len(inputs), found.compared_spikes, found.compared_potentials, sum(found.saturations.values()),
        found.mismatches, found.first,
    )  # fmt: skip


def evaluation_inputs(folder: Path, samples: int) -> np.ndarray:
    """The spiking network's input (N, ...) of a conversion's first evaluation samples."""
    _, model, loaded = reload(require_conversion(folder), None)
    return host_input(model, loaded.take(slice(samples)))
