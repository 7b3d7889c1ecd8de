"""Compares decoded spikes and potentials, layer by layer, with what the trained network computes there."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np
import torch

from converters.scales import unit_of
from deploy.measure.metrics import relative_error
from evaluator.closed_form import ClosedForm
from evaluator.telling import telling
from processes.batches import Progress, slices
from processes.network import Network, Route
from processes.operation import Operation, Result

ToReal = Callable[[str, Operation, torch.Tensor], torch.Tensor]
"""Maps a node's name, operation and codes (planes, N, *shape) or potentials (N, *shape) to real values (N, *shape)."""

POINTS = 1500  # values per node in a scatter plot


@dataclass(frozen=True)
class LayerComparison:
    """Errors of a network by node.

    errors: relative L2 error of every node but routes; absent where the original is zero and the network is not.
    scatter: (original, decoded) of firing nodes, float32 of up to POINTS values each, in random order.
    """

    errors: dict[str, float] = field(default_factory=dict)
    scatter: dict[str, tuple[np.ndarray, np.ndarray]] = field(default_factory=dict)


def layer_values(ideal: Network, samples: np.ndarray) -> dict[str, np.ndarray]:
    """Real values float32 (N, *shape), by node, that the lowered network ``ideal`` computes, without routes."""
    values: dict[str, np.ndarray] = {}

    def observe(name: str, op: Operation, result: Result) -> None:
        if not isinstance(op, Route):
            values[name] = result.values.float().cpu().numpy().copy()  # synapses may add to the tensor in place

    ClosedForm(ideal, torch.float32, ideal=True).run(samples, observe)
    return values


def real_values(network: Network, units: Mapping[str, np.ndarray] | None = None) -> ToReal:
    """A function that decodes the codes and potentials of a network to real values.

    ``units``: by node, the real value of one unit of potential, of a shape that broadcasts, as discretisation chose it;
    None for a floating-point network.
    """

    def to_real(name: str, op: Operation, output: torch.Tensor) -> torch.Tensor:
        if op.fires:
            return op.decoded(output)
        unit = unit_of(network, name) if units is None else units[name]
        return output.double() * torch.tensor(unit, device=output.device)

    return to_real


def stepped_errors(
    reference: Mapping[str, np.ndarray], network: Network, values: Mapping[str, np.ndarray], to_real: ToReal
) -> dict[str, float]:
    """Relative L2 error by node of what a target computed, over as many first samples as both sides have.

    ``values``: as in :class:`evaluator.target_run.TargetRun`. ``reference``: from :func:`layer_values`.
    """
    errors: dict[str, float] = {}
    for name in reference.keys() & values.keys():
        n, op = min(len(reference[name]), len(values[name])), network[name]
        output = torch.from_numpy(values[name][:n])
        real = to_real(name, op, output.swapaxes(0, 1) if op.fires else output)
        error = relative_error(real.numpy(), reference[name][:n])
        if error is not None:
            errors[name] = error
    return errors


def compare_layers(
    reference: Mapping[str, np.ndarray],
    runner: ClosedForm,
    samples: np.ndarray,
    to_real: ToReal | None = None,
    seed: int = 0,
    progress: Progress | None = None,
) -> LayerComparison:
    """Run ``samples`` (N, *sample) and compare every node with its ``reference`` values.

    Args:
        reference: from :func:`layer_values` on the same samples.
        runner: evaluates the converted network, or with ``ideal`` a lowered one, whose values are real already.
        to_real: from :func:`real_values`; None with ``ideal``.
        seed: of the random choice of scatter points.
        progress: called with (samples done, samples in all), node by node.
    """
    found = LayerComparison()
    rng = np.random.default_rng(seed)

    def observe(name: str, op: Operation, result: Result) -> None:
        output = result.values
        if name not in reference:
            return
        original = reference[name]
        values = (output if to_real is None else to_real(name, op, output)).cpu().numpy()
        error = relative_error(values, original)
        if error is not None:
            found.errors[name] = error
        if op.fires and not runner.ideal:
            chosen = rng.choice(original.size, min(POINTS, original.size), replace=False)
            decoded = values.reshape(-1)[chosen].astype(np.float32)
            found.scatter[name] = original.reshape(-1)[chosen], decoded

    for part in slices(len(samples), len(samples), progress):  # one batch
        runner.run(samples[part], telling(runner, part, len(samples), observe, progress))
    return found
