"""A conversion measured: against the original, layer by layer, and on the target against the closed form."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property, partial
from typing import Any

import numpy as np
import torch

from converters.gradients import evaluated_together
from converters.pipeline import Conversion, network_input
from deploy import measure
from deploy.cautions import far_from_float, lost_weights, shares_lost, silent_network
from deploy.energy import EventCounter, count_run, differing
from deploy.language.beside import predicted, written
from deploy.measure.flops import flops_formula
from deploy.options import ConvertOptions
from deploy.place import placed
from deploy.progress import Progress, stages
from deploy.report import Figures, build_report, recorded
from deploy.schema import Caution, Exactness, Report, Rung, Seconds, SoftmaxError
from deploy.sources import Data, LoadedModel, shared_samples, words
from evaluator import compare as compared
from evaluator.closed_form import ClosedForm
from evaluator.compare import compare
from evaluator.target_run import TargetRun
from evaluator.timeline import timeline
from processes.backends.devices import current_device, described
from processes.memory import give_back
from processes.network import Network, Route
from targets.base import Target

LAYER_SAMPLES = 16  # samples on which layers are compared one by one
LAYER_BYTES = 2**28
"""Memory for what the original computes at all layers of these samples; of large models there are fewer of them."""
CLOSED = "closed-form"
"""The target that steps nothing: there is no run to compare with the closed form, which is what every report measures."""


def examine(
    work: Examination, target: Target, seconds: Mapping[str, float], calibration: Data
) -> tuple[Report, Figures]:
    """The whole report of a conversion, and what its page draws.

    ``seconds``: what took time before, ``convert``. ``calibration``: the samples that set scales.
    """
    report, figures = work.measure(target, seconds)
    tuning, blocks = work.conversion.tuning, work.blocks()
    with work.progress.stage("place and check"):
        report = replace(
            report,
            codes=() if tuning is None else measure.codes(tuning),
            corrected_biases=work.conversion.corrected,
            si_softmax=work.softmax(),
            blocks=blocks,
            flops_formula=flops_formula(work.network, report.layers),
            placement=placed(work.network),
            calibration_samples=len(calibration),
            shared_samples=shared_samples(calibration, work.evaluation),
            warnings=work.warnings(report, calibration),
        )
    return report, figures


@dataclass
class Examination:
    """One conversion being measured."""

    options: ConvertOptions
    model: LoadedModel
    conversion: Conversion
    network: Network
    evaluation: Data
    progress: Progress

    def measure(self, target: Target, seconds: Mapping[str, float]) -> tuple[Report, Figures]:
        """The report, and what its page draws; ``seconds``: what took time before, ``convert``."""
        options, inputs = self.options, self.inputs
        with stages(self.progress) as bar:
            ann = measure.ann_outputs(
                self.model.module, self.evaluation.inputs, self.batch, partial(bar, "original model")
            )
            runner = ClosedForm(self.network)
            events = EventCounter(self.network)
            snn = measure.evaluate(
                runner,
                inputs,
                self.batch,
                partial(bar, "spiking, closed form"),
                options.strict,
                events,
            )
            rungs, scatter = self._ladder(ann, snn, bar)
            stepped = None if target.name == CLOSED else self._target(target, inputs[: options.samples], bar)
        if stepped is None:
            about = self._about(target)
        else:
            with self.progress.stage("compare with the closed form"):
                about = self._stepped(target, stepped, ann, rungs)
        times = timeline(self.network)
        timed = Seconds(
            **seconds, closed_form_per_sample=snn.seconds_per_sample, ann_per_sample=ann.seconds_per_sample,
            target_per_sample=None if stepped is None else stepped.seconds_per_sample,
            target_start=None if stepped is None else stepped.seconds_start,
        )  # fmt: skip
        about |= self._language(ann.outputs, snn.outputs)
        report = build_report(self.network, times, snn, rungs, events=events, seconds=timed, **about)
        with self.progress.stage("draw figures"):
            raster = measure.record_raster(runner, times, inputs[0])
            attention = measure.attention_maps(self.conversion.ideal, runner, inputs[0], self._words())
        return report, Figures(scatter, raster, measure.stages(self.network, times), attention, inputs[0])

    def _words(self) -> list[str]:
        """The first sample's tokens without padding, if it is a text whose tokenizer is at hand."""
        return (
            [] if self.model.text is None else words(self.model.text, [a[0] for a in self.evaluation.inputs.values()])
        )

    def _language(self, wanted: np.ndarray, found: np.ndarray) -> dict[str, Any]:
        """How a language model predicts and goes on, beside its original; nothing of other models."""
        inputs, text = self.evaluation.inputs, self.model.text
        language = predicted(self.model, wanted, found, inputs)
        if language is None or text is None:
            return {}
        with self.progress.stage("go on with a text"):
            return {"language": language, "written": written(self.network, self.model, text, inputs["input_ids"][0])}

    def softmax(self) -> tuple[SoftmaxError, ...]:
        """Errors of the SIT method's softmax by itself; none of other methods."""
        from deploy.measure.si_softmax import softmax_errors

        return tuple(softmax_errors()) if self.options.method == "sit" else ()

    def blocks(self) -> tuple[Rung, ...]:
        """Networks of which only a part spikes; none if they were not asked for."""
        from deploy.measure.hybrid import block_rungs

        if not self.options.blocks:
            return ()
        reference = measure.ann_outputs(self.model.module, self.evaluation.inputs, self.batch).outputs
        with stages(self.progress) as bar:
            rungs = block_rungs(
                self.conversion, self.inputs, reference, self.evaluation.labels, self.classes,
                self.batch, bar,
            )  # fmt: skip
        return tuple(recorded(rung) for rung in rungs)

    def warnings(self, report: Report, calibration: Data) -> tuple[Caution, ...]:
        """What may be wrong although everything ran; ``report`` is this conversion's."""
        conversion = self.conversion
        found = silent_network(report.spikes.total_per_sample, (layer.name for layer in report.layers if layer.neurons))
        if conversion.fixed is None:
            return found
        arguments = [array[: self.few] for array in calibration.inputs.values()]
        x = network_input(conversion.front, arguments)
        lost = shares_lost(conversion.calibrated, conversion.fixed)  # before runs keep what takes as much memory
        floating, fixed = (measure.evaluate(ClosedForm(n), x, self.batch).outputs
                           for n in (conversion.calibrated, self.network))  # fmt: skip
        return (
            *found,
            *lost_weights(lost, "--precision float"),
            *far_from_float(measure.relative_error(fixed, floating), report.layers),
        )

    @cached_property
    def batch(self) -> int:
        """Samples evaluated together."""
        return evaluated_together(self.network, self.options.batch_size)

    @cached_property
    def few(self) -> int:
        """Samples on which layers are compared."""
        values = sum(math.prod(node.op.shape) for _, node in self.conversion.ideal if not isinstance(node.op, Route))
        return max(1, min(LAYER_SAMPLES, LAYER_BYTES // (np.dtype(np.float32).itemsize * values)))

    @cached_property
    def inputs(self) -> np.ndarray:
        """The spiking network's input of the evaluation data."""
        return network_input(self.conversion.front, list(self.evaluation.inputs.values()))

    @cached_property
    def reference(self) -> dict[str, np.ndarray]:
        """What the original computes at every layer, of the first evaluation samples."""
        return measure.layer_values(self.conversion.ideal, self.inputs[: self.few])

    @staticmethod
    def _to_real(network: Network) -> measure.ToReal:
        return measure.real_values(network, network.units or None)

    @property
    def classes(self) -> bool:
        """Whether outputs are class scores: the model says so, or the data has labels."""
        return self.model.scores or self.evaluation.labels is not None

    def _target(self, target: Target, inputs: np.ndarray, bar: Callable[[str, int, int], None]) -> TargetRun:
        stage = f"stepped on {target.name}" if target.steps else target.name
        return target.run(
            self.network, inputs, self.options.granularity, lambda done: bar(stage, done + 1, len(inputs))
        )

    def _exactness(self, found: compared.Exactness, stepped: TargetRun, inputs: np.ndarray) -> Exactness:
        """The target's run against the closed form: codes, potentials, and, from its own spikes, events."""
        synaptic = apart = None
        if stepped.values:
            closed, counted = EventCounter(self.network), count_run(self.network, stepped.values)
            ClosedForm(self.network, torch.float64).run(inputs, closed)
            synaptic, apart = counted.totals["synaptic_operations"], differing(closed, counted)
        return Exactness(
            compared_spikes=found.compared_spikes, compared_potentials=found.compared_potentials,
            mismatches=found.mismatches, ties=found.ties, samples=len(stepped.outputs),
            saturations=sum(found.saturations.values()) if found.saturations else None,
            synaptic_operations=synaptic, events_differing=apart,
        )  # fmt: skip

    def _ladder(
        self, ann: measure.Outputs, snn: measure.Measurement, bar: Callable[[str, int, int], None]
    ) -> tuple[list[measure.Rung], dict[str, tuple[np.ndarray, np.ndarray]]]:
        """Rungs of the closed forms, and the last one's scatter."""
        conversion, inputs = self.conversion, self.inputs
        labels, classes = self.evaluation.labels, self.classes
        few = inputs[: self.few]
        rungs = [measure.rung("ANN", ann.outputs, ann.outputs, labels, classes)]

        def add(name: str, runner: ClosedForm, outputs: np.ndarray) -> measure.LayerComparison:
            to_real = None if runner.ideal else self._to_real(runner.network)
            told = partial(bar, f"layers of {name}")
            layers = measure.compare_layers(self.reference, runner, few, to_real, self.options.seed, told)
            rungs.append(measure.rung(name, outputs, ann.outputs, labels, classes, layers.errors))
            return layers

        batch = self.batch
        if conversion.fixed is not None:
            rounded = measure.rounded_weights(conversion.ideal, conversion.calibrated, conversion.fixed)
            eight = ClosedForm(rounded, ideal=True)
            done = measure.evaluate(eight, inputs, batch, partial(bar, "original, 8-bit weights"))
            add("ANN, 8-bit weights", eight, done.outputs)
            del rounded, eight  # as large as the model
            give_back()
            floating = ClosedForm(conversion.calibrated)
            done = measure.evaluate(floating, inputs, batch, partial(bar, "spiking, floating point"))
            add("spiking float", floating, done.outputs)
            conversion.calibrated.release()
        name = f"spiking {self.options.precision}"
        scatter = add(name, ClosedForm(self.network), snn.outputs).scatter
        if self.few < LAYER_SAMPLES:  # of a large model, what its operations keep is as much as their parameters
            self.network.release()
        return rungs, scatter

    def _stepped(
        self, target: Target, stepped: TargetRun, ann: measure.Outputs, rungs: list[measure.Rung]
    ) -> dict[str, Any]:
        """What the target's run adds to the report; its rung goes to ``rungs``."""
        inputs = self.inputs[: self.options.samples]
        outputs = ClosedForm(self.network, torch.float64).real(torch.from_numpy(stepped.outputs)).float().numpy()
        outputs = outputs[:, 0] if outputs.shape[1] == 1 else outputs
        errors = measure.stepped_errors(self.reference, self.network, stepped.values, self._to_real(self.network))
        name = f"{target.name} {self.options.precision}"
        rungs.append(measure.rung(name, outputs, ann.outputs, self.evaluation.labels, self.classes, errors))
        found = compare(self.network, inputs, stepped)
        return {
            **self._about(target), "processes": stepped.processes, "bytes": stepped.bytes,
            "stepped_saturations": found.saturations, "exactness": self._exactness(found, stepped, inputs),
            "first_mismatch": found.first, "targets": {target.name: stepped.measured} if stepped.measured else {},
        }  # fmt: skip

    def _about(self, target: Target) -> dict[str, Any]:
        options = self.options
        return {
            "model": options.model, "method": options.method, "precision": options.precision,
            "timesteps": self.network.header.stated("timesteps"), "base": self.network.header.stated("base"),
            "target": target.name, "granularity": options.granularity, "options": replace(options.in_force(), force=False),
            "transform": self.evaluation.transform or None, "device": described(current_device()),
        }  # fmt: skip
