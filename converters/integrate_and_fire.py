"""The published conversions to integrate-and-fire neurons, without training: QCFS, SNM, and MST's masks on top of QCFS.

* QCFS (T. Bu et al., ICLR 2022): activations are clip(floor(x T / lambda + 1/2) / T, 0, 1) lambda, one lambda for each layer;
  neurons have threshold lambda, start from lambda / 2 and reset by subtraction. QCFS learns its lambdas; here they are
  fitted by :func:`converters.rate.fit_threshold`.
* SNM (Y. Wang et al., IJCAI 2022): neurons start from 0, have the largest activation of their channel as threshold, and take
  spikes back.
* MST (Z. Wang et al., ICCV 2023): QCFS in transformers, where a share of the spikes is masked at random. Its networks are
  trained with the mask; here a spike is worth as much more as fewer are sent.

Potentials are in real units, so that a threshold is lambda / T where the papers have lambda, and T steps add up to the
activation. Operations that the papers have no rule for (softmax, norms) are converted by this package's own method.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
import torch

from converters.calibrate import encode, scale
from converters.choices import Tuning
from converters.code_search import tune
from converters.evidence import gather
from converters.gradients import differentiated_together
from converters.pipeline import Conversion, lowered
from converters.positions import readers
from converters.rate import FUNCTIONS, fit_threshold, observe_activations
from processes import verifier
from processes.calibration import accepts
from processes.errors import DeployError
from processes.network import (
    CalibratedNetwork,
    Centre,
    DynamicThreshold,
    IfNeuron,
    LoweredNetwork,
    Network,
    PhaseNeuron,
    Readout,
    Residual,
    Route,
    ScaledNetwork,
    SquareSum,
    TraceProduct,
    Woss,
)
from processes.phase_code import PhaseCode
from processes.synapse import Synapse

Method = Literal["qcfs", "snm", "mst"]
KEPT = (Synapse, Residual, Centre, Route, Readout, TraceProduct, SquareSum, Woss, DynamicThreshold)
"""Operations that are converted as in the method spiked-attention."""


@dataclass(frozen=True)
class Rule:
    """How the neurons of a method work.

    Attributes:
        initial: membrane potential at the start, as a share of the threshold.
        memory: whether neurons take spikes back, by negative ones (SNM).
        fitted: whether thresholds are fitted, one for each layer, for the least squared error; otherwise they are the
            largest activation of each channel.
    """

    initial: float
    memory: bool
    fitted: bool


MASK_RATE = 0.25
"""Share of spikes that MST masks by default."""
RULES: Mapping[Method, Rule] = {
    "qcfs": Rule(0.5, False, True),
    "snm": Rule(0.0, True, False),
    "mst": Rule(0.5, False, True),
}


def convert_integrate_and_fire(
    module: torch.nn.Module,
    calibration: Sequence[np.ndarray],
    method: Method,
    steps: int,
    batch: int = 32,
    masked: float = 0.0,
    seed: int = 0,
) -> Conversion:
    """Convert a module to integrate-and-fire neurons by a published method, in floating point.

    Args:
        module: in evaluation mode.
        calibration: its arguments, each (N, ...), of samples that thresholds come from; never evaluation data.
        method: "qcfs", "snm" or "mst".
        steps: T.
        batch: samples evaluated together.
        masked: share of the spikes that MST masks at random; 0 for the other methods.
        seed: of the random masks.

    Raises:
        UnsupportedModel: with every operation that cannot be lowered.
        DeployError: with every operation that has no form in the method.
    """
    front, samples, ideal = lowered(module, calibration)
    network, tuning = integrate_and_fire(ideal, samples, method, steps, batch, masked, seed)
    return Conversion(front, ideal, network, None, tuning)


def integrate_and_fire(
    network: LoweredNetwork,
    samples: np.ndarray,
    method: Method,
    steps: int,
    batch: int = 32,
    masked: float = 0.0,
    seed: int = 0,
) -> tuple[CalibratedNetwork, Tuning]:
    """Convert a lowered network, which is left as it is, to integrate-and-fire neurons.

    Arguments are those of :func:`convert_integrate_and_fire`; ``samples`` are calibration inputs (N, *input).

    Returns:
        The floating-point network, and the phase codes of neurons that the method has no rule for (no choices if none).

    Raises:
        DeployError: operations have no form in the method; the message names all of them.
    """
    refuse(network, method)
    scaled, peaks = scale(network, samples, batch)
    places = replaced(scaled)
    others = [name for name, node in scaled if node.op.fires and not node.op.passes_on and name not in places]
    tuning = Tuning(1.0, steps, {})
    if others:
        seen = gather(scaled, samples, steps, differentiated_together(scaled, batch), importance=False)
        found = tune(scaled, seen.evidence, steps, None, 1, 2)
        tuning = Tuning(found.base, steps, {name: found.choices[name] for name in others})
    worth = _worths(network, scaled, places, samples, RULES[method], steps, batch)
    neurons = scaled.at(ScaledNetwork)
    for number, name in enumerate(places):
        op: Any = scaled[name]
        zero = np.zeros((1,) * len(op.shape))
        relu = op.schedule.function == "relu"
        share = masked if not scaled.codes_input(name) else 0.0
        neurons.put(
            name,
            IfNeuron(
                shape=op.shape, function=op.schedule.function, scale=worth[name] / (1 - share), threshold=worth[name],
                bias=zero, steps=steps, initial=RULES[method].initial if relu else 0.5,
                memory=relu and RULES[method].memory, masked=share, seed=seed + number,
            ),
        )  # fmt: skip
    code = PhaseCode(tuning.base if others else 2.0, steps)
    coded = encode(neurons, tuning.sites, code, peaks)
    coded.header = replace(coded.header, base=tuning.base, spikes=steps)
    _stream(coded)
    verifier.check(coded)
    return coded.kept(), tuning


def refuse(network: Network, method: Method) -> None:
    """Raise DeployError if the method has no form for some operations; the message names all of them."""
    reasons = []
    for name, node in network:
        op = node.op
        if isinstance(op, PhaseNeuron):
            if op.schedule.function not in FUNCTIONS:
                reasons.append(f"'{name}' computes {op.schedule.function}")
        elif not isinstance(op, KEPT):
            reasons.append(f"'{name}' is a {op.name}")
    if reasons:
        raise DeployError(
            f"--method {method} converts ReLU and linear layers: {'; '.join(reasons)}; use the method spiked-attention"
        )


def replaced(network: Network) -> list[str]:
    """Names of neurons that become integrate-and-fire neurons: ReLU and identity, unless readers want octave scales."""
    found = []
    for name, node in network:
        linear = isinstance(node.op, PhaseNeuron) and node.op.schedule.function in FUNCTIONS
        if linear and all(accepts(reader) != "octave scales" for _, reader in readers(network, name)):
            found.append(name)
    return found


def _worths(
    network: LoweredNetwork,
    scaled: ScaledNetwork,
    places: Sequence[str],
    samples: np.ndarray,
    rule: Rule,
    steps: int,
    batch: int,
) -> dict[str, np.ndarray]:
    """The real value of a spike, lambda / T, by population of ``places``, in the broadcast shape of its samples."""
    if not rule.fitted:
        return {name: scaled[name].schedule.scale / steps for name in places}  # type: ignore[attr-defined]
    activations = observe_activations(network, samples, batch, np.random.default_rng(0))
    return {name: np.full((1,) * len(scaled[name].shape), fit_threshold(activations[name], steps)) for name in places}


def _stream(network: CalibratedNetwork) -> None:
    """Let integrate-and-fire neurons integrate currents step by step, by changing ``network`` in place.

    Only neurons do that are the sole reader of a synapse that integrate-and-fire neurons drive. The synapse's bias,
    which would be added once, moves into the neurons, which spread it over all steps.
    """
    for name, node in list(network):
        source = node.inputs[0]
        if not isinstance(node.op, IfNeuron) or source == network.INPUT:
            continue
        op = network[source]
        if not isinstance(op, Synapse) or network.readers(source) != [name]:
            continue
        if isinstance(network[network.origin(network.nodes[source].inputs[0])], IfNeuron):
            rows = op.bias.reshape(-1, *[1] * 2) if op.name == "conv2d" else op.bias
            network.put(source, replace(op, bias=np.zeros_like(op.bias)))
            bias = np.asarray(rows).reshape((1,) * (len(op.shape) - np.ndim(rows)) + np.shape(rows))
            network.put(name, replace(node.op, bias=bias, streams=True))
