"""What discretisation has to know of a calibrated network: how far its potentials reach."""

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
    """Over the calibration set, in floating-point units.

    Attributes:
        network: the calibrated network.
        arriving: how the inputs of synapses go together; None where weights are rounded one by one.
        input_peak: largest |input|.
        peaks: largest |potential| per last-axis or channel row of every node that is not spikes.
        norms: of synapses with shared weights, the largest Euclidean norm of the values that an output hears, those of several
            spikes of a neuron added up without their signs, which bounds partial sums.
    """

    network: Network
    arriving: Arriving | None
    input_peak: float = 0.0
    peaks: dict[str, np.ndarray] = field(default_factory=dict)
    norms: dict[str, float] = field(default_factory=dict)

    @cached_property
    def heard(self) -> dict[str, dict[str, DenseSynapse | ConvSynapse]]:
        """By node whose spikes shared weights hear, these synapses."""
        found: dict[str, dict[str, DenseSynapse | ConvSynapse]] = {}
        for name, op in shared(self.network).items():
            assert isinstance(op, DenseSynapse | ConvSynapse)
            found.setdefault(self.network.nodes[name].inputs[0], {})[name] = op
        return found

    def reach(self, name: str) -> float:
        """Largest |potential| of a node that is not spikes, or of the input."""
        return self.input_peak if name == Network.INPUT else float(self.peaks[name].max())

    def __call__(self, name: str, op: Operation, result: Result) -> None:
        """A node's codes or potentials of a batch."""
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
    """Run a calibrated network on calibration samples (N, *input).

    ``arriving``: of these samples, whose first group is collected on the way; None where weights are rounded one by one.
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
    """Nodes that clip a potential in a batch of samples, and the number of the first sample of this batch.

    The batch that begins with sample ``first`` is judged before all others, and no more are once something clips: of a large
    model each takes a while. Nothing clips where no node is returned.
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
