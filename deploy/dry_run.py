"""`deploy convert --dry-run`: what a conversion would do and how much memory it would take, without converting."""

from __future__ import annotations

import math
import resource
from collections.abc import Mapping
from dataclasses import dataclass

from converters.code_search import asked
from converters.evidence import SAMPLES, VALUES
from converters.gradients import COPIES, PART_BYTES, PROBES, differentiated_together
from converters.lowering import lower
from converters.pipeline import front_end, network_input
from deploy.availability import chosen
from deploy.errors import DeployError
from deploy.model_check import ModelCheckup, described, roughly_coded
from deploy.options import ConvertOptions
from deploy.options.convert import FLOATING
from deploy.output import check_replaceable
from deploy.progress import Progress
from deploy.sources import Data
from deploy.sources.unseen import unseen_line
from deploy.steps import calibration_and_evaluation, loaded_model, overrides_of, variant_of
from processes.network import Network, Route
from processes.synapse import Synapse
from targets import registry

SINGLE = 4  # bytes of a float
INTEGER = 2  # bytes of a weight in integers: its mantissa, and its magnitude where a bound on partial sums needs it
FEW = 2  # calibration samples that the rough network is made with; its scales are not used
GIB = 2**30


@dataclass(frozen=True)
class DryRun:
    """What `deploy convert` would do.

    Attributes:
        options: the conversion's options. target: name of the target that would run the network.
        model: what the lowered model becomes; None for a floating-point baseline, as lowering it needs its thresholds.
        calibration, evaluation: number of samples and their source. transform: how files become arrays, in words.
        memory: estimated GiB, by what takes them, of the largest things that are held at the same time.
    """

    options: ConvertOptions
    target: str
    model: ModelCheckup | None
    calibration: tuple[int, str]
    evaluation: tuple[int, str]
    transform: str
    memory: Mapping[str, float]


def dry_run(options: ConvertOptions, progress: Progress | None = None) -> DryRun:
    """Do what a conversion does before calibration: check options and folder, load model and data, capture and lower.

    Raises:
        DeployError: an option, the folder, the model or the data is not valid, as in a conversion.
        UnsupportedModel: the model has operations that cannot be converted; the error lists all of them.
    """
    progress = progress or Progress()
    options.check(registry())
    options.check_paths()
    check_replaceable(options.folder().expanduser().absolute(), options.force)
    target, why = chosen(options.target)
    progress.note([why] if why else [])
    with progress.stage("load the model and the data"):
        model = loaded_model(options)
        calibration, evaluation = calibration_and_evaluation(options, model)
    progress.note(unseen_line(calibration, evaluation, model))
    network, found = None, None
    if options.method not in FLOATING:
        arguments = [array[:FEW] for array in calibration.inputs.values()]
        with progress.stage("capture and lower"):
            captured, front = front_end(model.module, arguments)
            variant = variant_of(options)
            few = network_input(front, arguments)
            lowered = lower(captured, few[:1].shape, variant.residual == "fanout", variant.neurons())
            steps = None if options.code.timesteps == "auto" else options.code.timesteps
            given = asked(lowered, steps, overrides_of(options), options.latency)
            network = roughly_coded(lowered, few, options.code, variant, given)
        shapes = {name: array.shape[1:] for name, array in calibration.inputs.items()}
        host = "" if front is None else front.what
        found = described(model.name, shapes, network, host)
    return DryRun(
        options, target.name, found, _of(calibration), _of(evaluation), evaluation.transform,
        memory(network, options.batch_size, options.precision == "fixed"),
    )  # fmt: skip


def memory(network: Network | None, batch: int, fixed: bool) -> dict[str, float]:
    """Estimated GiB by what takes them; the first entry is the peak memory of this process so far.

    ``network``: None leaves that entry alone. ``batch``: samples evaluated together. ``fixed``: whether the result is in
    integers. The stages before it take their weights from the model's own.
    """
    held = {"program, model and data, as loaded": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / GIB}
    if network is None:
        return held
    operations = [node.op for _, node in network if not isinstance(node.op, Route)]
    values = sum(math.prod(op.shape) for op in operations)
    weights = sum(op.weight.size for op in operations if isinstance(op, Synapse))
    judged = sum(min(VALUES, SAMPLES * math.prod(op.shape)) for op in operations if op.fires)
    few = differentiated_together(network, batch)
    parts = {
        "weights of the spiking network": (INTEGER if fixed else SINGLE) * weights,
        f"values and gradients of {few} samples, to choose codes": min(PART_BYTES, SINGLE * COPIES * few * values),
        "values that candidates for codes are judged on": SINGLE * (2 + PROBES) * judged,
    }
    return held | {what: taken / GIB for what, taken in parts.items()}


def _of(data: Data) -> tuple[int, str]:
    if not len(data):
        raise DeployError(f"{data.source}: holds no samples")
    return len(data), data.source
