"""Measures a conversion: beside the original, layer by layer, and on the target beside the closed form."""

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
"""Bytes for what the original computes at all layers for these samples; large models are compared on fewer samples."""
CLOSED = "closed-form"
"""Name of the target that steps nothing; every report measures the closed form, so no second run is made."""


def examine(
    work: Examination, target: Target, seconds: Mapping[str, float], calibration: Data
) -> tuple[Report, Figures]:
    """Measure a conversion; return the report and the numbers behind its page's drawings.

    ``seconds``: {"convert": seconds of the conversion}. ``calibration``: the samples that set scales.
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
    """One conversion being measured.

    Attributes:
        conversion: all stages of the conversion, from the lowered network on.
        network: the network that is measured, as read from the file if there is one.
        evaluation: samples that set no scales.
    """

    options: ConvertOptions
    model: LoadedModel
    conversion: Conversion
    network: Network
    evaluation: Data
    progress: Progress

    def measure(self, target: Target, seconds: Mapping[str, float]) -> tuple[Report, Figures]:
        """Run the original, the closed form and the target on the evaluation data; :func:`examine` adds the rest."""
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
        """Words of the first sample's tokens without padding; empty without text or tokenizer."""
        return (
            [] if self.model.text is None else words(self.model.text, [a[0] for a in self.evaluation.inputs.values()])
        )

    def _language(self, wanted: np.ndarray, found: np.ndarray) -> dict[str, Any]:
        """How a language model predicts and continues texts, beside its original; {} for other models."""
        inputs, text = self.evaluation.inputs, self.model.text
        language = predicted(self.model, wanted, found, inputs)
        if language is None or text is None:
            return {}
        with self.progress.stage("go on with a text"):
            return {"language": language, "written": written(self.network, self.model, text, inputs["input_ids"][0])}

    def softmax(self) -> tuple[SoftmaxError, ...]:
        """Errors of the SIT method's softmax by itself, by number of steps; () for other methods."""
        from deploy.measure.si_softmax import softmax_errors

        return tuple(softmax_errors()) if self.options.method == "sit" else ()

    def blocks(self) -> tuple[Rung, ...]:
        """Rungs of networks of which only a part spikes; () unless the option ``blocks`` asks for them."""
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
        """Warnings of silence and, in fixed point, of lost weights and of outputs far from floating point's."""
        conversion = self.conversion
        found = silent_network(report.spikes.total_per_sample, (layer.name for layer in report.layers if layer.neurons))
        if conversion.fixed is None:
            return found
        arguments = [array[: self.few] for array in calibration.inputs.values()]
        x = network_input(conversion.front, arguments)
        lost = shares_lost(conversion.calibrated, conversion.fixed)  # first, as the runs below keep as much memory
        floating, fixed = (measure.evaluate(ClosedForm(n), x, self.batch).outputs
                           for n in (conversion.calibrated, self.network))  # fmt: skip
        return (
            *found,
            *lost_weights(lost, "--precision float"),
            *far_from_float(measure.relative_error(fixed, floating), report.layers),
        )

    @cached_property
    def batch(self) -> int:
        """Samples evaluated together: the option's number, or fewer where memory limits it."""
        return evaluated_together(self.network, self.options.batch_size)

    @cached_property
    def few(self) -> int:
        """Number of samples on which layers are compared: ``LAYER_SAMPLES``, fewer where ``LAYER_BYTES`` hold fewer."""
        values = sum(math.prod(node.op.shape) for _, node in self.conversion.ideal if not isinstance(node.op, Route))
        return max(1, min(LAYER_SAMPLES, LAYER_BYTES // (np.dtype(np.float32).itemsize * values)))

    @cached_property
    def inputs(self) -> np.ndarray:
        """The spiking network's input (N, ...) for all evaluation samples."""
        return network_input(self.conversion.front, list(self.evaluation.inputs.values()))

    @cached_property
    def reference(self) -> dict[str, np.ndarray]:
        """By node, real values (few, *shape) that the original computes for the first evaluation samples."""
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
        """Counts of compared and differing spikes, potentials and events of the target's run and the closed form."""
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
        """Rungs from the original to the network's closed form, and (original, decoded) values by firing node."""
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
            del rounded, eight  # frees weights as large as the model's
            give_back()
            floating = ClosedForm(conversion.calibrated)
            done = measure.evaluate(floating, inputs, batch, partial(bar, "spiking, floating point"))
            add("spiking float", floating, done.outputs)
            conversion.calibrated.release()
        name = f"spiking {self.options.precision}"
        scatter = add(name, ClosedForm(self.network), snn.outputs).scatter
        if self.few < LAYER_SAMPLES:  # a large model: its operations cache as much memory as their parameters take
            self.network.release()
        return rungs, scatter

    def _stepped(
        self, target: Target, stepped: TargetRun, ann: measure.Outputs, rungs: list[measure.Rung]
    ) -> dict[str, Any]:
        """Fields that the target's run adds to the report; appends its rung to ``rungs``."""
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
