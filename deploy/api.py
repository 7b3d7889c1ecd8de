"""What the commands do, as functions: convert, run, verify, load, targets."""

from __future__ import annotations

import contextlib
import json
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch

from converters.pipeline import Conversion, Variant, convert_module, front_end, network_input
from converters.rate import convert_rate_coded
from deploy import measure
from deploy.availability import available
from deploy.energy import EventCounter, count_run, differing
from deploy.measure.flops import flops_formula
from deploy.options import ConvertOptions, check_choice
from deploy.output import GRAPH, REPORT, output_folder, require_conversion
from deploy.progress import Progress
from deploy.report import Figures, add_to_report, build_report, write_report
from deploy.results import RunResult, Verification
from deploy.sources import Data, LoadedModel, hold_out, load_data, load_model, shared_samples, with_length, words
from processes.network import Network
from targets import registry
from targets.base import Target, TargetRun
from targets.closed_form import ClosedForm
from targets.compare import Exactness, compare
from targets.nir_file import read, write
from targets.timeline import timeline

LAYER_SAMPLES = 16  # samples on which layers are compared one by one


def convert(options: ConvertOptions, progress: Progress | None = None) -> dict[str, Any]:
    """Convert a model, run it, and write graph.nir, report.json and report.html to ``options.folder()``.

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
        calibration, evaluation = _data(options, model)
        begin = time.perf_counter()
        conversion = _convert(options, model, calibration, progress)
        seconds = {"convert": time.perf_counter() - begin}
        write(folder / GRAPH, conversion.network)
        restored = read(folder / GRAPH)  # what runs from here on is what the file holds
        restored.units = conversion.network.units
        work = _Work(options, model, conversion, restored, evaluation, progress)
        report, figures = work.measure(target, seconds)
        if conversion.tuning is not None:
            report["codes"] = measure.codes(conversion.tuning)
        report |= work.parts() | {"flops_formula": flops_formula(restored, report["layers"])}
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
    progress = progress or Progress()
    check_choice("--target", target, registry())
    chosen = available(registry()[target])
    folder = require_conversion(network)
    restored, model, loaded = reload(folder, data)
    loaded = loaded.take(slice(samples))
    inputs = _network_input(model, loaded)
    if segments_in is None:
        with progress.stage(f"run on {target}", len(inputs)) as advance:
            result = chosen.run(restored, inputs, granularity, lambda _: advance(1))
    else:
        from targets.nir_segments import cut, run_segments

        segments = cut(restored, segments_in)
        with progress.stage(f"segments in {segments_in}", len(segments)) as advance:
            result = run_segments(restored, inputs, segments_in, segments, lambda _: advance(1))
    if result.measured:
        add_to_report(folder, "targets", {target: result.measured})
    runner = ClosedForm(restored, torch.float64)
    outputs = runner.real(torch.from_numpy(result.outputs)).float().numpy()
    spikes = sum(int(np.count_nonzero(v)) for name, v in result.values.items() if restored[name].fires)
    return RunResult(
        outputs=outputs[:, 0] if outputs.shape[1] == 1 else outputs,
        labels=loaded.labels,
        class_names=model.class_names,
        spikes_per_sample=spikes / len(inputs),
        seconds_per_sample=result.seconds_per_sample,
        latency_steps=timeline(restored).period if target == "lava-sim" else None,
        measured=result.measured,
    )


def verify(folder: Path, samples: int, granularity: str, progress: Progress | None = None) -> Verification:
    """Run evaluation samples through Lava and the closed form and compare every spike and potential."""
    progress = progress or Progress()
    lava = available(registry()["lava-sim"])
    restored, model, loaded = reload(require_conversion(folder), None)
    inputs = _network_input(model, loaded.take(slice(samples)))
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
    return _network_input(model, loaded.take(slice(samples)))


def load(folder: Path | str) -> Network:
    """The network that a conversion wrote."""
    return read(require_conversion(Path(folder)) / GRAPH)


def _network_input(model: LoadedModel, data: Data) -> np.ndarray:
    """The spiking network's input of a data set, whatever of the model stays on the host."""
    arguments = list(data.inputs.values())
    text = len(arguments) > 1 or np.issubdtype(arguments[0].dtype, np.integer)
    return network_input(front_end(model.module, arguments)[1] if text else None, arguments)


def _data(options: ConvertOptions, model: LoadedModel) -> tuple[Data, Data]:
    calibration = load_data(options.calib, model, "calibration")
    if options.calib is not None and options.evaluation is None:
        return hold_out(load_data(options.calib, model, "evaluation"))
    evaluation = load_data(options.evaluation, model, "evaluation", limit=options.limit)
    if model.text is None:
        return calibration, evaluation
    tokens = max(data.inputs["attention_mask"].shape[1] for data in (calibration, evaluation))
    return with_length(calibration, tokens), with_length(evaluation, tokens)


def reload(folder: Path, data: Path | None) -> tuple[Network, LoadedModel, Data]:
    """A conversion's network and model, and ``data``, or the data that it was evaluated on.

    Raises:
        DeployError: data that the model cannot take, or texts longer than the network was converted for.
    """
    options = json.loads((folder / REPORT).read_text(encoding="utf-8"))["options"]
    model = load_model(options["model"], options.get("weights"), options.get("seed", 0))
    if data is None:
        again = ConvertOptions(
            model=options["model"],
            calib=Path(options["calib"]) if "calib" in options else None,
            evaluation=Path(options["evaluation"]) if "evaluation" in options else None,
        )
        return load(folder), model, _data(again, model)[1]
    network, loaded = load(folder), load_data(data, model, "evaluation")
    return network, model, loaded if model.text is None else with_length(loaded, network.input_shape[1])


def _convert(options: ConvertOptions, model: LoadedModel, calibration: Data, progress: Progress) -> Conversion:
    with stages(progress) as report:
        if options.method == "rate-coded":
            arguments = list(calibration.inputs.values())
            return convert_rate_coded(model.module, arguments, options.timesteps, options.batch_size)
        return convert_module(
            model.module,
            list(calibration.inputs.values()),
            options.timesteps,
            None if options.base == "auto" else float(options.base),
            fixed=options.precision == "fixed",
            spikes=None if options.spikes == "auto" else int(options.spikes),
            input_spikes=options.input_spikes,
            variant=_variant(options),
            batch=options.batch_size,
            progress=report,
        )


def _variant(options: ConvertOptions) -> Variant:
    method: Any = options.method  # checked already
    return Variant(options.residual, options.winner, options.softmax, method, options.exponential, options.activation)


@contextlib.contextmanager
def stages(progress: Progress) -> Iterator[Callable[[str, int, int], None]]:
    """Turns (stage, done, total) calls into one progress bar after the other."""
    with contextlib.ExitStack() as stack:
        bars: dict[str, tuple[contextlib.ExitStack, Callable[[int], None]]] = {}
        reached: dict[str, int] = {}

        def report(stage: str, done: int, total: int) -> None:
            if stage not in bars:
                own = stack.enter_context(contextlib.ExitStack())
                bars[stage] = own, own.enter_context(progress.stage(stage, total))
            own, advance = bars[stage]
            advance(done - reached.get(stage, 0))
            reached[stage] = done
            if done == total:
                own.close()

        yield report


@dataclass
class _Work:
    """One conversion being measured."""

    options: ConvertOptions
    model: LoadedModel
    conversion: Conversion
    network: Network
    evaluation: Data
    progress: Progress

    def measure(self, target: Target, seconds: dict[str, float]) -> tuple[dict[str, Any], Figures]:
        """The report's content and its figures."""
        options, labels, inputs = self.options, self.evaluation.labels, self.inputs
        with stages(self.progress) as bar:
            ann = measure.ann_outputs(
                self.model.module, self.evaluation.inputs, options.batch_size, lambda d, n: bar("original model", d, n)
            )
            runner = ClosedForm(self.network)
            events = EventCounter(self.network)
            snn = measure.evaluate(
                runner, inputs, options.batch_size, lambda d, n: bar("spiking, closed form", d, n), options.strict, events
            )
            rungs, scatter = self._ladder(ann, snn, bar)
            stepped = self._target(target, inputs[: options.samples], bar)
        exactness = compare(self.network, inputs[: options.samples], stepped)
        outputs = ClosedForm(self.network, torch.float64).real(torch.from_numpy(stepped.outputs)).float().numpy()
        outputs = outputs[:, 0] if outputs.shape[1] == 1 else outputs
        errors = measure.stepped_errors(self.reference, self.network, stepped.values, self._to_real(self.network))
        name = f"{target.name} {options.precision}"
        rungs.append(measure.rung(name, outputs, ann.outputs, labels, self.classes, errors))
        times = timeline(self.network)
        about = self._about(target, stepped, exactness)
        seconds |= {
            "ann_per_sample": ann.seconds_per_sample, "target_per_sample": stepped.seconds_per_sample,
            "target_start": stepped.seconds_start,
        }  # fmt: skip
        counts = {"compared_spikes": exactness.compared_spikes, "compared_potentials": exactness.compared_potentials,
                  "mismatches": exactness.mismatches, "ties": exactness.ties, "samples": len(stepped.outputs),
                  "saturations": sum(exactness.saturations.values()) if exactness.saturations else None,
                  **self._events(stepped, inputs[: options.samples])}  # fmt: skip
        report = build_report(about, self.network, times, snn, rungs, seconds, counts, exactness.saturations, events)
        report["targets"] = {target.name: stepped.measured} if stepped.measured else None
        raster = measure.record_raster(runner, times, inputs[0])
        attention = measure.attention_maps(self.conversion.ideal, runner, inputs[0], self._words())
        return report, Figures(scatter, raster, measure.stages(self.network, times), attention, inputs[0])

    def _words(self) -> list[str]:
        """The first sample's tokens without padding, if it is a text whose tokenizer is at hand."""
        return [] if self.model.text is None else words(self.model.text, [a[0] for a in self.evaluation.inputs.values()])

    def parts(self) -> dict[str, Any]:
        """What a method's own neurons err by, and networks of which only a part spikes."""
        from deploy.measure.hybrid import block_rungs
        from deploy.measure.si_softmax import softmax_errors

        found: dict[str, Any] = {}
        if self.options.method == "sit":
            found["si_softmax"] = [asdict(errors) for errors in softmax_errors()]
        if self.options.blocks:
            reference = measure.ann_outputs(self.model.module, self.evaluation.inputs, self.options.batch_size).outputs
            with stages(self.progress) as bar:
                rungs = block_rungs(
                    self.conversion, self.inputs, reference, self.evaluation.labels, self.classes,
                    self.options.batch_size, bar,
                )  # fmt: skip
            found["blocks"] = [asdict(rung) for rung in rungs]
        return found

    @cached_property
    def inputs(self) -> np.ndarray:
        """The spiking network's input of the evaluation data."""
        return network_input(self.conversion.front, list(self.evaluation.inputs.values()))

    @cached_property
    def reference(self) -> dict[str, np.ndarray]:
        """What the original computes at every layer, of the first evaluation samples."""
        return measure.layer_values(self.conversion.ideal, self.inputs[:LAYER_SAMPLES])

    @staticmethod
    def _to_real(network: Network) -> measure.ToReal:
        return measure.real_values(network, network.units or None)

    @property
    def classes(self) -> bool:
        """Whether outputs are class scores: the model says so, or the data has labels."""
        return self.model.classes is not None or self.evaluation.labels is not None

    def _target(self, target: Target, inputs: np.ndarray, bar: Callable[[str, int, int], None]) -> TargetRun:
        stage = f"stepped on {target.name}" if target.name == "lava-sim" else target.name
        return target.run(
            self.network, inputs, self.options.granularity, lambda done: bar(stage, done + 1, len(inputs))
        )

    def _events(self, stepped: TargetRun, inputs: np.ndarray) -> dict[str, int]:
        """Events of the target's run, from its own spikes, against those of the closed form on the same samples."""
        if not stepped.values:
            return {}
        closed, counted = EventCounter(self.network), count_run(self.network, stepped.values)
        ClosedForm(self.network, torch.float64).run(inputs, closed)
        return {
            "synaptic_operations": counted.totals["synaptic_operations"],
            "events_differing": differing(closed, counted),
        }

    def _ladder(
        self, ann: measure.Outputs, snn: measure.Measurement, bar: Callable[[str, int, int], None]
    ) -> tuple[list[measure.Rung], dict[str, tuple[np.ndarray, np.ndarray]]]:
        """Rungs of the closed forms, and the last one's scatter."""
        conversion, inputs = self.conversion, self.inputs
        labels, classes = self.evaluation.labels, self.classes
        few = inputs[:LAYER_SAMPLES]
        rungs = [measure.rung("ANN", ann.outputs, ann.outputs, labels, classes)]

        def add(name: str, runner: ClosedForm, outputs: np.ndarray) -> measure.LayerComparison:
            to_real = None if runner.ideal else self._to_real(runner.network)
            layers = measure.compare_layers(self.reference, runner, few, to_real, self.options.seed)
            rungs.append(measure.rung(name, outputs, ann.outputs, labels, classes, layers.errors))
            return layers

        batch = self.options.batch_size
        if conversion.fixed is not None:
            rounded = measure.rounded_weights(conversion.ideal, conversion.calibrated, conversion.fixed)
            eight = ClosedForm(rounded, ideal=True)
            add("ANN, 8-bit weights", eight, measure.evaluate(eight, inputs, batch).outputs)
            floating = ClosedForm(conversion.calibrated)
            done = measure.evaluate(floating, inputs, batch, lambda d, n: bar("spiking, floating point", d, n))
            add("spiking float", floating, done.outputs)
        name = f"spiking {self.options.precision}"
        return rungs, add(name, ClosedForm(self.network), snn.outputs).scatter

    def _about(self, target: Target, stepped: TargetRun, exactness: Exactness) -> dict[str, Any]:
        options = self.options
        return {
            "model": options.model, "method": options.method, "precision": options.precision,
            "timesteps": options.timesteps, "base": self.network.about["base"], "target": target.name,
            "granularity": options.granularity, "processes": stepped.processes, "bytes": stepped.bytes,
            "first_mismatch": exactness.first, "options": replace(options, force=False).record(),
        }  # fmt: skip
