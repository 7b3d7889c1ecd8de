"""From a trained module to a spiking network: capture, lower, calibrate, discretise."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

import numpy as np
import torch

from converters.calibrate import check_spikes, encode, scale
from converters.capture import capture
from converters.captured import Captured
from converters.choices import Tuning
from converters.code_search import asked, tune
from converters.correct import correct_biases, hold_back, output_errors
from converters.digits import digit_sites
from converters.discretise import discretise
from converters.evidence import gather
from converters.front_end import FrontEnd, split
from converters.gradients import differentiated_together, evaluated_together
from converters.ingredients import ALL, Ingredients
from converters.lowering import in_single_precision, lower
from converters.lowering.builder import PLAIN, Neurons
from converters.lowering.equality import check_equal
from converters.outliers import outlying, rows_apart, set_apart
from converters.overrides import Override
from converters.windows import TRIED
from evaluator.closed_form import ClosedForm, fired
from evaluator.telling import telling
from processes.batches import joined, slices, within
from processes.chips import LOIHI2, Chip
from processes.errors import DeployError
from processes.memory import give_back
from processes.network import CalibratedNetwork, FixedPointNetwork, LoweredNetwork, Network
from processes.operation import Operation, Result
from processes.phase_code import PhaseCode
from processes.si_neuron.calibration import FITTED

Progress = Callable[[str, int, int], None]
BINARY = 2.0  # base of the SIT method's digits
COMPARED = 2  # calibration samples on which the lowered network must equal the model


@dataclass(frozen=True)
class Variant:
    """Choices between alternative neurons and mechanisms for the same computation.

    Attributes:
        residual: a residual stream is handed on as one "graded" spike per neuron and block, or as every branch's spikes
            ("fanout").
        winner: WOSS finds a row's winner by "graded" spikes, or by a "race" of binary spikes under a falling threshold.
        softmax: "direct": potentials of the product race; "two-stage": a one-spike neuron codes the logits before they
            race; "published": two-stage, and too sharp by the factor B.
        method: "spiked-attention": phase codes and WOSS; "fs": the same with activations by fitted FS neurons; "sit":
            binary digits, SI-exp and SI-norm. The attributes below apply to "sit" only.
        exponential: SI-exp for "extended" input ranges, or fitted on [-1, 1] as "published".
        activation: GELU and SiLU by "fitted" neurons, or by threshold "schedule".
    """

    residual: Literal["graded", "fanout"] = "graded"
    winner: Literal["graded", "race"] = "graded"
    softmax: Literal["direct", "two-stage", "published"] = "direct"
    method: Literal["spiked-attention", "fs", "sit"] = "spiked-attention"
    exponential: Literal["extended", "published"] = "extended"
    activation: Literal["schedule", "fitted"] = "schedule"

    def neurons(self) -> Neurons:
        """The neurons that compute softmax and activations under these choices."""
        if self.method == "sit":
            return Neurons(fitted=FITTED if self.activation == "fitted" else (), si_softmax=self.exponential)
        fitted = ("relu", *FITTED) if self.method == "fs" else ()
        return Neurons(recode_logits=self.softmax != "direct", fitted=fitted)


@dataclass
class Conversion:
    """The stages of one conversion, each a whole network.

    Attributes:
        front: the part of the model that stays on the host; None where the model's one input enters the network as it
            is.
        ideal: lowered, in real units, without codes: what the trained network computes. Its weights are the module's own
            memory, or are computed from it at each use: whoever trains the module on in place changes them.
        calibrated: spiking, floating point. If integers were asked for, its weights too are computed from the module's;
            :meth:`processes.network.Network.kept` gives a network that has its own.
        fixed: spiking, integers; None if not asked for.
        tuning: the phase codes as chosen, by firing node (without choices for rate codes); None for SIT's digits.
        corrected: by synapse, the share of its squared error that bias correction removed; empty if nothing was
            corrected.
    """

    front: FrontEnd | None
    ideal: LoweredNetwork
    calibrated: CalibratedNetwork
    fixed: FixedPointNetwork | None
    tuning: Tuning | None = None
    corrected: dict[str, float] = field(default_factory=dict)

    @property
    def network(self) -> CalibratedNetwork | FixedPointNetwork:
        """The integer network if integers were asked for, else the floating-point one."""
        return self.calibrated if self.fixed is None else self.fixed


def front_end(module: torch.nn.Module, arguments: Sequence[np.ndarray]) -> tuple[Captured, FrontEnd | None]:
    """Capture a module, and split off the part that stays on the host (None if there is none).

    Only the first sample of ``arguments``, each (N, ...), is used.

    Raises:
        DeployError: the module cannot be captured, or not be split.
    """
    captured = capture(module, tuple(torch.as_tensor(argument[:1]) for argument in arguments))
    return captured, split(captured).front


def network_input(front: FrontEnd | None, arguments: Sequence[np.ndarray]) -> np.ndarray:
    """The spiking network's input (N, ...) for the model's arguments: the front end's result, or the first argument."""
    return arguments[0] if front is None else front(*arguments)


def lowered(
    module: torch.nn.Module,
    calibration: Sequence[np.ndarray],
    fanout: bool = False,
    neurons: Neurons = PLAIN,
    progress: Callable[[int, int], None] | None = None,
) -> tuple[FrontEnd | None, np.ndarray, LoweredNetwork]:
    """Capture and lower a module, and check on ``COMPARED`` samples that the lowered network computes the same.

    Args:
        module: in evaluation mode.
        calibration: its arguments, each (N, ...).
        fanout: hand residual streams on as every branch's spikes instead of graded spikes.
        neurons: which neurons compute softmax and activations.
        progress: called with (done, in all), of three stages: capture, lowering, comparison.

    Returns:
        The host's part (None if there is none), the network's inputs (N, ...) for ``calibration``, the lowered network.

    Raises:
        UnsupportedModel: with every operation that cannot be converted.
        WrongLowering: the network computes something else than the module.
    """
    told = progress or (lambda done, total: None)
    told(0, 3)
    captured, front = front_end(module, calibration)
    told(1, 3)
    samples = network_input(front, calibration)
    ideal = lower(captured, samples[:1].shape, fanout, neurons)
    told(2, 3)
    check_equal(captured, ideal, [argument[:COMPARED] for argument in calibration], fanout, neurons)
    in_single_precision(ideal)
    told(3, 3)
    if front is not None:
        ideal.header = replace(ideal.header, host=front.what)
    return front, samples, ideal


def convert_module(
    module: torch.nn.Module,
    calibration: Sequence[np.ndarray],
    steps: int | None,
    base: float | None = None,
    *,
    spikes: int | None = 1,
    input_spikes: int = 1,
    fixed: bool = True,
    variant: Variant = Variant(),
    chip: Chip = LOIHI2,
    ingredients: Ingredients = ALL,
    batch: int = 32,
    progress: Progress | None = None,
    overrides: Mapping[str, Override] | None = None,
    latency: int | None = None,
) -> Conversion:
    """Convert a trained module to a spiking network: capture, lower, calibrate and, if ``fixed``, discretise.

    Args:
        module: in evaluation mode; it is not changed.
        calibration: its arguments, each (N, ...), of samples that set the scales; never evaluation data.
        steps: T; None to choose one for each firing node within ``latency``. The method "sit" needs a number.
        base: B; None to choose one for each firing node by the outputs' error on calibration samples (2 for "sit").
        spikes: most spikes of a neuron in a window; None to choose, as for :func:`converters.code_search.tune` (T // 2
            for "sit").
        input_spikes: most spikes of the neurons that code the network's input, if that is more than ``spikes``.
        fixed: also discretise.
        variant: choices between alternative neurons and mechanisms.
        chip: bit widths of the fixed-point network.
        ingredients: parts of the conversion that may be switched off, for ablations.
        batch: most calibration samples evaluated together; fewer of a model whose values take much memory.
        progress: called with (stage, done, total).
        overrides: bases, spikes and T of single layers, by pattern of their names; not with "sit".
        latency: most steps of a sample, if T is chosen; None as for :func:`converters.code_search.tune`. Not with "sit",
            and it does not hold where winners race, which takes steps that depend on what is chosen.

    Raises:
        UnsupportedModel: with every operation that cannot be converted, before anything is.
        WrongLowering: the lowered network computes something else than the module.
        DeployError: spikes outside 1 to 3, an override that matches no layer, no T that keeps ``latency``, "sit" without
            steps or with what it does not take, or a layer that saturates the chip's potentials whatever its unit.
    """

    def report(stage: str) -> Callable[[int, int], None] | None:
        return None if progress is None else functools.partial(progress, stage)

    digits = variant.method == "sit"
    if digits and (steps is None or overrides or latency is not None):
        raise DeployError(
            'method "sit" sends as many binary digits everywhere: give `steps`, no `overrides` and no `latency`'
        )
    front, samples, ideal = lowered(
        module, calibration, variant.residual == "fanout", variant.neurons(), report("read the model")
    )
    if spikes is not None and not digits:
        check_spikes(max(spikes, input_spikes))
    given = {} if digits else asked(ideal, steps, overrides or {}, latency)
    few, batch = differentiated_together(ideal, batch), evaluated_together(ideal, batch)
    scaled, peaks = scale(ideal, samples, batch, report("calibrate"), ingredients)
    coded = functools.partial(
        encode, scaled, peaks=peaks, race=variant.winner == "race", sharpen=variant.softmax == "published"
    )
    tuning: Tuning | None = None
    importance: dict[str, np.ndarray] = {}
    corrected: dict[str, float] = {}
    if steps is not None and digits:
        common = base or BINARY
        sites = digit_sites(scaled, common, spikes or steps // 2, input_spikes)
        calibrated = coded(sites, PhaseCode(common, steps))
    else:
        evidence, importance = gather(
            scaled, samples, steps or TRIED[-1], few, report("take derivatives"),
            ingredients.headroom, ingredients.importance,
        )  # fmt: skip
        choose = functools.partial(
            tune, scaled, evidence, steps, base, spikes, input_spikes, report("choose the codes"), ingredients,
            given=given, latency=latency,
        )  # fmt: skip
        integer = functools.partial(discretise, chip=chip, batch=batch, ingredients=ingredients)
        tuning, balanced = choose(), False
        if fixed and ingredients.balance and spikes != 1:
            made = functools.partial(coded, tuning.sites, tuning.code)
            balanced = _gains(made, ideal, samples, integer, importance, batch, report("compare scales"))
            if spikes is None and balanced:  # there are spikes left that raised scales have saved
                told = joined(report("count spikes"), len(samples), len(samples))
                plain, raised = (_sent(made(balanced=bool(n)), samples, batch, told[n]) for n in range(2))
                tuning = choose(saved=plain / max(raised, 1))
        del evidence, choose  # hundreds of megabytes for a language model
        give_back()
        calibrated = coded(tuning.sites, tuning.code, balanced=balanced)
    if ingredients.biases and not digits:
        calibrated, corrected = correct_biases(ideal, calibrated, samples, importance, batch, report("correct biases"))
    ideal.release()
    integers: FixedPointNetwork | None = None
    if fixed:
        if ingredients.outliers and not digits:
            columns = outlying(calibrated)
            ideal, calibrated = set_apart(ideal, columns), set_apart(calibrated, columns)
            importance = rows_apart(importance, columns)
        integers = discretise(calibrated, samples, chip, batch, report("discretise"), importance, ingredients)
    calibrated.release()
    if integers is None:  # the floating-point network is what will be run
        calibrated = calibrated.kept()
    return Conversion(front, ideal, calibrated, integers, tuning, corrected)


def _sent(network: Network, samples: np.ndarray, batch: int, progress: Callable[[int, int], None] | None = None) -> int:
    """How many spikes all nodes together send on the samples."""
    sent = 0

    def count(name: str, op: Operation, result: Result) -> None:
        nonlocal sent
        sent += fired(op, result.values)

    runner = ClosedForm(network)
    for part in slices(len(samples), batch, progress):
        runner.run(samples[part], telling(runner, part, len(samples), count, progress))
    return sent


def _gains(
    made: Callable[..., CalibratedNetwork],
    ideal: Network,
    samples: np.ndarray,
    integer: Callable[..., Network],
    importance: Mapping[str, np.ndarray],
    batch: int,
    progress: Callable[[int, int], None] | None,
) -> bool:
    """Whether the integer network errs less on held-back samples with balanced scales; False if none can be held back.

    The two networks are made one after the other, as each takes as much memory as the model.
    """
    held, few = hold_back(len(samples))
    if not len(held):
        return False
    rows = {name: values[few] for name, values in importance.items()}

    def error(balanced: bool) -> float:
        told = within(progress, int(balanced), 2)
        network = integer(made(balanced=balanced), samples[few], importance=rows, progress=told)
        return output_errors(ideal, [network], samples[held], batch)[0]

    plain, balanced = error(False), error(True)
    return balanced < plain
