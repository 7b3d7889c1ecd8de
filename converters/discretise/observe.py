"""What discretisation has to know of a calibrated network: how far potentials reach, and how inputs go together."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import torch

from converters.discretise.rounding import Moments, moments
from converters.gradients import sample_axis
from evaluator.closed_form import ClosedForm
from processes.batches import Progress, slices
from processes.calibration import weights
from processes.network import ConvSynapse, Network
from processes.operation import Operation, Result
from processes.spikes import decode
from processes.synapse import Synapse


@dataclass
class Observed:
    """Over the calibration set, in floating-point units.

    Attributes:
        network: the calibrated network.
        importance: of rows of synapses, (N, rows) of all samples, from :func:`converters.gradients.row_importance`.
        together: whether weights are to be rounded together, which takes the moments.
        batch: the samples that are seen now.
        input_peak: largest |input|.
        peaks: largest |potential| per last-axis or channel row of every node that is not spikes.
        norms: of spikes that shared weights hear, the largest Euclidean norm of decoded values along the last axis, which
            bounds partial sums.
        moments: of what arrives at weights that are shared, by :meth:`key`.
    """

    network: Network
    importance: Mapping[str, np.ndarray]
    together: bool = True
    batch: slice = slice(0)
    input_peak: float = 0.0
    peaks: dict[str, np.ndarray] = field(default_factory=dict)
    norms: dict[str, float] = field(default_factory=dict)
    moments: dict[str, Moments] = field(default_factory=dict)

    def reach(self, name: str) -> float:
        """Largest |potential| of a node that is not spikes, or of the input."""
        return self.input_peak if name == Network.INPUT else float(self.peaks[name].max())

    def key(self, name: str, op: Operation) -> str:
        """Dense synapses that read the same spikes share their moments; convolutions have kernels of their own."""
        return name if isinstance(op, ConvSynapse) else self.network.nodes[name].inputs[0]

    def at(self, name: str, op: Operation) -> Moments | None:
        """Moments at a synapse; None if nothing that arrives there matters to the outputs."""
        found = self.moments.get(self.key(name, op))
        return found if found is not None and found.count > 0 else None

    def __call__(self, name: str, op: Operation, result: Result) -> None:
        """A node's codes or potentials of a batch."""
        y = result.values
        if op.emits != "spikes":
            keep = tuple(a for a in range(y.ndim) if a != sample_axis(op, y.ndim))
            peak = y.abs().amax(keep, keepdim=True)[0].double().cpu().numpy()
            self.peaks[name] = np.maximum(self.peaks.get(name, 0.0), peak)
            return
        heard = {reader: self.network[reader] for reader in self.network.readers(name)}
        synapses = {reader: op for reader, op in heard.items() if isinstance(op, Synapse) and weights(op) == "shared"}
        if not synapses:
            return
        x = decode(y, self.network.code(name).levels)
        self.norms[name] = max(self.norms.get(name, 0.0), float(torch.linalg.vector_norm(x, dim=-1).max()))
        if not self.together:
            return
        arriving: dict[str, Moments] = {}
        for reader, synapse in synapses.items():
            if (key := self.key(reader, synapse)) not in arriving:
                arriving[key] = moments(synapse, x, self._importance(key, x.device))
        for key, found in arriving.items():
            self.moments[key] = self.moments[key] + found if key in self.moments else found

    def _importance(self, key: str, device: torch.device) -> torch.Tensor | None:
        """How much the rows of this batch that arrive at the synapses of ``key`` count, together; None if all the same."""
        own = [rows for name, rows in self.importance.items() if self.key(name, self.network[name]) == key]
        return torch.from_numpy(sum(rows[self.batch] for rows in own)).to(device) if own else None


def observe(
    network: Network,
    samples: np.ndarray,
    importance: Mapping[str, np.ndarray],
    batch: int = 32,
    progress: Progress | None = None,
    together: bool = True,
) -> Observed:
    """Run a calibrated network on calibration samples (N, *input)."""
    seen = Observed(network, importance, together, input_peak=float(np.abs(samples).max(initial=0.0)))
    runner = ClosedForm(network)
    for part in slices(len(samples), batch, progress):
        seen.batch = part
        runner.run(samples[part], seen)
    return seen


def saturating(network: Network, samples: np.ndarray, batch: int) -> list[str]:
    """Nodes that clip a potential on ``samples``."""
    found: dict[str, None] = {}

    def look(name: str, op: Operation, result: Result) -> None:
        if result.clipped:
            found[name] = None

    runner = ClosedForm(network)
    for part in slices(len(samples), batch):
        runner.run(samples[part], look)
    return list(found)
