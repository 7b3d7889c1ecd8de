"""A conversion measured: against the original, layer by layer, and on the target against the closed form."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
import torch

from converters.pipeline import Conversion, network_input
from deploy import measure
from deploy.energy import EventCounter, count_run, differing
from deploy.options import ConvertOptions
from deploy.progress import Progress, stages
from deploy.report import Figures, build_report
from deploy.sources import Data, LoadedModel, words
from evaluator.closed_form import ClosedForm
from evaluator.compare import Exactness, compare
from evaluator.target_run import TargetRun
from evaluator.timeline import timeline
from processes.network import Network
from targets.base import Target

LAYER_SAMPLES = 16  # samples on which layers are compared one by one


@dataclass
class Examination:
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
                runner,
                inputs,
                options.batch_size,
                lambda d, n: bar("spiking, closed form", d, n),
                options.strict,
                events,
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
        return (
            [] if self.model.text is None else words(self.model.text, [a[0] for a in self.evaluation.inputs.values()])
        )

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
            "timesteps": options.code.timesteps, "base": self.network.about["base"], "target": target.name,
            "granularity": options.granularity, "processes": stepped.processes, "bytes": stepped.bytes,
            "first_mismatch": exactness.first, "options": replace(options, force=False).record(),
        }  # fmt: skip
