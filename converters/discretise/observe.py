"""Ranges of a calibrated network's potentials on calibration samples, and which integer potentials saturate there."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property, partial

import numpy as np

from converters.discretise.arriving import Arriving, shared
from converters.gradients import sample_axis
from evaluator.closed_form import ClosedForm
from evaluator.telling import telling
from processes.batches import Progress, slices
from processes.network import ConvSynapse, DenseSynapse, Network
from processes.operation import Operation, Result
from processes.spikes import decode


@dataclass
class Observed:
    """What was observed of a calibrated network over the calibration set, in floating-point units.

    Attributes:
        network: the calibrated network.
        arriving: moments of the inputs of synapses; None where weights are rounded one by one.
        input_peak: largest |input|.
        peaks: by node that does not send spikes, its largest |potential| for each feature, broadcast shape.
        norms: by synapse with shared weights, the largest Euclidean norm of the values that one output reads, where
            several spikes of a neuron add up without their signs; it bounds partial sums.
    """

    network: Network
    arriving: Arriving | None
    input_peak: float = 0.0
    peaks: dict[str, np.ndarray] = field(default_factory=dict)
    norms: dict[str, float] = field(default_factory=dict)

    @cached_property
    def heard(self) -> dict[str, dict[str, DenseSynapse | ConvSynapse]]:
        """By node whose spikes synapses with shared weights read, these synapses by name."""
        found: dict[str, dict[str, DenseSynapse | ConvSynapse]] = {}
        for name, op in shared(self.network).items():
            assert isinstance(op, DenseSynapse | ConvSynapse)
            found.setdefault(self.network.nodes[name].inputs[0], {})[name] = op
        return found

    def reach(self, name: str) -> float:
        """Largest |potential| of a node that does not send spikes, or largest |input|."""
        return self.input_peak if name == Network.INPUT else float(self.peaks[name].max())

    def __call__(self, name: str, op: Operation, result: Result) -> None:
        """Take in the codes or potentials of one node for a batch."""
        y = result.values
        if op.emits != "spikes":
            keep = tuple(a for a in range(y.ndim) if a != sample_axis(op, y.ndim))
            peak = y.abs().amax(keep, keepdim=True)[0].double().cpu().numpy()
            self.peaks[name] = np.maximum(self.peaks.get(name, 0.0), peak)
        elif name in self.heard:
            sizes = decode(y.abs(), self.network.code(name).levels)
            for reader, synapse in self.heard[name].items():
                self.norms[reader] = max(self.norms.get(reader, 0.0), synapse.norm(sizes))


def observe(
    network: Network,
    samples: np.ndarray,
    batch: int = 32,
    progress: Progress | None = None,
    arriving: Arriving | None = None,
) -> Observed:
    """Run a calibrated network on calibration samples (N, *input), and observe the ranges of its potentials.

    ``arriving``: moments of these samples, whose first group is collected in the same run; None where weights are
    rounded one by one.
    """
    seen = Observed(network, arriving, input_peak=float(np.abs(samples).max(initial=0.0)))
    first = arriving.groups[0] if arriving is not None and arriving.groups else {}

    def look(part: slice, name: str, op: Operation, result: Result) -> None:
        seen(name, op, result)
        if arriving is not None:
            arriving.collect(first, part, name, result)

    runner = ClosedForm(network)
    for part in slices(len(samples), batch, progress):
        runner.run(samples[part], telling(runner, part, len(samples), partial(look, part), progress))
    return seen


def saturating(
    network: Network, samples: np.ndarray, batch: int, progress: Progress | None = None, first: int = 0
) -> tuple[list[str], int]:
    """Names of an integer network's nodes that clip a potential, and the first sample of the batch in which they do.

    Batches are run in order, beginning with the one of sample ``first`` and around the end, and only up to the first
    one in which something clips, as each takes a while in a large model. Without any clip, returns no names and
    ``first``.
    """
    found: dict[str, None] = {}

    def look(name: str, op: Operation, result: Result) -> None:
        if result.clipped:
            found[name] = None

    runner = ClosedForm(network)
    order = np.roll(np.arange(len(samples)), -first)
    for part in slices(len(samples), batch, progress):
        runner.run(samples[order[part]], telling(runner, part, len(samples), look, progress))
        if found:
            if progress is not None:
                progress(len(samples), len(samples))
            return list(found), int(order[part.start])
    return [], first
