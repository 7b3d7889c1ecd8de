"""Rate-coded conversion of ReLU networks without training: the baseline of the papers, in this package's framework.

Every neuron becomes an integrate-and-fire neuron with soft reset (by subtraction). The threshold of a layer is the one
that minimises the squared error of T + 1 evenly spaced levels on calibration activations; QCFS (Bu et al., 2022) learns
it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import torch

from converters.choices import Tuning
from converters.pipeline import Conversion, lowered
from evaluator.closed_form import ClosedForm
from processes import verifier
from processes.batches import slices
from processes.errors import DeployError
from processes.network import (
    CalibratedNetwork,
    LoweredNetwork,
    Network,
    Node,
    PhaseNeuron,
    RateNeuron,
    Readout,
    Residual,
    Route,
    Synapse,
    require,
)
from processes.operation import Operation, Result

CANDIDATES = np.linspace(0.2, 1.0, 33)  # values of T spikes that are tried, relative to the largest activation
KEPT = 20_000  # activations of a layer that candidates are compared on
FUNCTIONS = ("relu", "identity")


def convert_rate_coded(
    module: torch.nn.Module, calibration: Sequence[np.ndarray], steps: int, batch: int = 32
) -> Conversion:
    """Convert a ReLU module to a rate-coded network in floating point.

    Args:
        module: in evaluation mode.
        calibration: its arguments, each (N, ...), of samples that thresholds are fitted to; never evaluation data.
        steps: T, the most spikes of a neuron.
        batch: samples evaluated together.

    Raises:
        UnsupportedModel: with every operation that cannot be lowered.
        DeployError: an operation has no rate-coded form, such as softmax or GELU.
    """
    front, samples, ideal = lowered(module, calibration)
    return Conversion(front, ideal, rate_coded(ideal, samples, steps, batch), None, Tuning(1.0, steps, {}))


def rate_coded(
    network: LoweredNetwork, samples: np.ndarray, steps: int, batch: int = 32, seed: int = 0
) -> CalibratedNetwork:
    """Give a lowered ReLU network rate codes, in floating point; the lowered network is left as it is.

    Args:
        network: from :func:`converters.lowering.lower`.
        samples: calibration inputs (N, *input).
        steps: T, the most spikes of a neuron.
        batch: samples evaluated together.
        seed: of the choice of activations that thresholds are fitted to.

    Raises:
        DeployError: an operation has no rate-coded form; the message names the first one.
    """
    _check(require(network, LoweredNetwork, "rate coding"))
    activations = observe_activations(network, samples, batch, np.random.default_rng(seed))
    # base 1, as spikes at all steps are worth the same
    header = replace(network.header, base=1.0, timesteps=steps, spikes=steps, precision="float")
    coded = CalibratedNetwork(network.input_shape, header=header)
    worth: dict[str, float] = {}  # of a spike
    for name, node in network:
        op = node.op
        if isinstance(op, PhaseNeuron):
            worth[name] = fit_threshold(activations[name], steps)
            function = op.schedule.function
            op = RateNeuron(shape=op.shape, function=function, threshold=np.array([worth[name]]), steps=steps)
        elif isinstance(op, Synapse):
            op = replace(
                op, weight=op.weight.astype(np.float64) * worth[network.origin(node.inputs[0])], trace=np.ones(steps)
            )
        coded.nodes[name] = Node(op, node.inputs)
    verifier.check(coded)
    return coded


def fit_threshold(activations: np.ndarray, steps: int) -> float:
    """The real value of one spike that gives the least squared error of rounding and clipping, among ``CANDIDATES``.

    An activation of magnitude a is rounded to floor(a / value + 1/2) spikes, at most ``steps``; 1 if all activations
    are 0.
    """
    size, peak = np.abs(activations), float(np.abs(activations).max(initial=0.0))
    if peak == 0:
        return 1.0
    worths = CANDIDATES * peak / steps
    errors = [np.square(np.clip(np.floor(size / w + 0.5), 0, steps) * w - size).sum() for w in worths]
    return float(worths[int(np.argmin(errors))])


def _check(network: Network) -> None:
    for name, node in network:
        op, remedy = node.op, "use the method spiked-attention"
        if isinstance(op, PhaseNeuron):
            if op.schedule.function not in FUNCTIONS:
                raise DeployError(
                    f"rate coding converts ReLU networks: '{name}' computes {op.schedule.function}; {remedy}"
                )
        elif not isinstance(op, (Synapse, Residual, Route, Readout)):
            raise DeployError(f"rate coding converts ReLU networks: '{name}' is a {op.name}; {remedy}")


def observe_activations(
    network: Network, samples: np.ndarray, batch: int, rng: np.random.Generator
) -> dict[str, np.ndarray]:
    """About ``KEPT`` activations of each population of a lowered network, chosen at random, float64 (n,).

    The largest of each batch is always among them.
    """
    kept: dict[str, list[np.ndarray]] = {}
    share = KEPT // max(1, -(-len(samples) // batch))

    def observe(name: str, op: Operation, result: Result) -> None:
        if isinstance(op, PhaseNeuron):
            flat = result.values.reshape(-1).double().cpu().numpy()
            chosen = flat if len(flat) <= share else rng.choice(flat, share, replace=False)
            kept.setdefault(name, []).append(np.append(chosen, flat[np.abs(flat).argmax()]))

    runner = ClosedForm(network, torch.float32, ideal=True)
    for part in slices(len(samples), batch):
        runner.run(samples[part], observe)
    return {name: np.concatenate(parts) for name, parts in kept.items()}
