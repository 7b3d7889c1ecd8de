"""`deploy check MODEL`: what a conversion would make of a model, from its architecture alone, without data."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np

from converters import windows
from converters.calibrate import encode, scale, uniform
from converters.digits import digit_sites
from converters.lowering import UnsupportedModel, lower
from converters.overrides import Override
from converters.pipeline import Variant, front_end, network_input
from deploy.errors import DeployError, Refusal
from deploy.options.convert import USUAL, Code
from deploy.place import placed
from deploy.sources import InputSpec, LoadedModel, load_model
from deploy.sources.check import try_one
from evaluator.timeline import timeline
from processes.network import LoweredNetwork, Network, Route
from processes.phase_code import PhaseCode

ROUGH = 1.15
"""B of the rough codes; sizes and steps do not depend on it."""
TOKENS = 16
"""Tokens of the sample that a text model is captured with."""


@dataclass(frozen=True)
class ModelCheckup:
    """What conversion would make of a model.

    Attributes:
        inputs: shape of one sample by argument, without the batch axis.
        refusals: every operation that cannot be converted, and where; if there are any, the fields below are empty.
        host: what stays on the host, in words.
        operations: number of nodes by operation. neurons: number that fire. synapses: weights, shared ones counted
            once for each use; None if placement does not know an operation.
        steps: time steps of a sample at T = ``timesteps``. windows: steps / T.
        cores: number by chip, from placement, not from a run.
    """

    model: str
    inputs: Mapping[str, tuple[int, ...]]
    refusals: tuple[Refusal, ...] = ()
    host: str = ""
    operations: Mapping[str, int] = field(default_factory=dict)
    neurons: int = 0
    synapses: int | None = None
    windows: float = 0.0
    steps: int = 0
    timesteps: int = int(USUAL["spiked-attention"].timesteps)
    cores: Mapping[str, int] = field(default_factory=dict)


def check_model(spec: str, weights: str | None = None, shape: tuple[int, ...] | None = None) -> ModelCheckup:
    """Capture and lower a model on one made-up sample, and say what it becomes or which operations prevent that.

    Args:
        spec: the model, as for `deploy convert --model`.
        weights: as for `deploy convert --weights`; "random" needs no trained ones.
        shape: of one sample without the batch axis, where the model does not say.

    Raises:
        DeployError: the model cannot be loaded, its input shape is unknown, or it does not return one tensor.
    """
    model = load_model(spec, weights)
    arguments = [_sample(name, one, model, shape) for name, one in model.inputs.items()]
    shapes = {name: array.shape[1:] for name, array in zip(model.inputs, arguments, strict=True)}
    try_one(dict(zip(model.inputs, arguments, strict=True)), model, "a sample of noise")
    try:
        captured, front = front_end(model.module, arguments)
        network = lower(captured, network_input(front, arguments).shape)
    except UnsupportedModel as error:
        found = tuple(Refusal(r.where or "top level", r.operation, r.reason) for r in error.refusals)
        return ModelCheckup(model.name, shapes, found)
    rough = roughly_coded(network, network_input(front, arguments), USUAL["spiked-attention"], Variant())
    return described(model.name, shapes, rough, "" if front is None else front.what)


def roughly_coded(
    network: LoweredNetwork,
    samples: np.ndarray,
    code: Code,
    variant: Variant,
    given: Mapping[str, Override] | None = None,
) -> Network:
    """A spiking network whose neurons, synapses and steps are right, and whose scales, from few ``samples``, are not.

    ``code``: of every neuron; "auto" takes a value without influence on these: B = ``ROUGH``, 1 spike, T = 16, whose
    latency is the default limit. ``given``: overrides of single layers, of which T is taken.
    """
    base = ROUGH if code.base == "auto" else float(code.base)
    spikes = 1 if code.spikes == "auto" else int(code.spikes)
    scaled, peaks = scale(network, samples)
    sites = (digit_sites if variant.method == "sit" else uniform)(scaled, base, spikes, code.input_spikes)
    window = PhaseCode(base, windows.USUAL if code.timesteps == "auto" else code.timesteps)
    own = {name: override.timesteps for name, override in (given or {}).items()}
    sites = {name: replace(site, steps=own.get(name)) for name, site in sites.items()}
    return encode(scaled, sites, window, peaks, variant.winner == "race", variant.softmax == "published")


def described(name: str, shapes: Mapping[str, tuple[int, ...]], network: Network, host: str) -> ModelCheckup:
    """The check-up of a spiking network; ``shapes``: of a sample by argument; ``host``: what stays there, in words."""
    fires = [node.op for _, node in network if node.op.fires and not isinstance(node.op, Route)]
    window, steps = network.header.stated("timesteps"), timeline(network).period
    places = placed(network)
    return ModelCheckup(
        name, shapes, (), host, Counter(node.op.name for _, node in network if not isinstance(node.op, Route)),
        sum(int(np.prod(op.shape)) for op in fires), next((p.synapses for p in places.values()), None),
        steps / window, steps, window, {chip: place.cores for chip, place in places.items()},
    )  # fmt: skip


def _sample(name: str, spec: InputSpec, model: LoadedModel, given: tuple[int, ...] | None) -> np.ndarray:
    """A made-up sample (1, *shape): ones for token numbers and masks, noise for the rest, so that no variance is 0."""
    known = spec.shape if given is None or len(model.inputs) > 1 else given
    if known is None and model.files is not None:
        known = model.files.size
    if known is None:
        raise DeployError(
            f"--shape missing: {model.spec} does not say what `{name}` is; give one sample's, as --shape 3,32,32"
        )
    shape = tuple(TOKENS if size is None else size for size in known)
    if spec.dtype == "int64":
        return np.ones((1, *shape), np.int64)
    return np.random.default_rng(0).random((1, *shape), np.float32)
