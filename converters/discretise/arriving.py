"""Moments of the inputs of synapses over the calibration set, for as many layers at a time as memory holds.

The second moments of a layer's n inputs are n^2 numbers: those of all layers of a large model would be several times
its weights. They are gathered in the network's order for a group of layers, whose weights are then rounded, and the
samples are run on for the next group. Moments of the first group come from the run that observes potentials
(:func:`converters.discretise.observe.observe`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property, partial

import numpy as np
import torch

from converters.discretise.rounding import Moments, factor, moments, moments_bytes
from evaluator.closed_form import ClosedForm
from evaluator.telling import telling
from processes.batches import Progress, slices, within
from processes.calibration import weights
from processes.network import ConvSynapse, Network
from processes.operation import Operation, Result
from processes.spikes import decode
from processes.synapse import Synapse

MOMENTS_BYTES = 2**28
"""Bytes for the moments of a group of layers; a single layer may take more."""


def shared(network: Network) -> dict[str, Synapse]:
    """Synapses with shared weights, by name, in the network's order."""
    return {name: node.op for name, node in network if isinstance(node.op, Synapse) and weights(node.op) == "shared"}


@dataclass
class Arriving:
    """Moments of the decoded values that arrive at synapses with shared weights, gathered group by group.

    Attributes:
        network: the calibrated network.
        samples: of the calibration set (N, *input).
        importance: of rows of synapses, (N, rows) of all samples, from :func:`converters.evidence.gather`.
        batch: samples evaluated together.
        progress: called with (samples done, samples in all), of all groups but the first.
        moments: by :meth:`key`, those of the group of layers that was collected or asked for last.
        reached: how many nodes of the network have been run to gather groups after the first.
        live: by a batch's first sample, the values that later nodes read, as in
            :meth:`evaluator.closed_form.ClosedForm.advance`.
    """

    network: Network
    samples: np.ndarray
    importance: Mapping[str, np.ndarray]
    batch: int = 32
    progress: Progress | None = None
    moments: dict[str, Moments] = field(default_factory=dict)
    reached: int = 0
    live: dict[int, dict[str, torch.Tensor]] = field(default_factory=dict)

    def key(self, name: str) -> str:
        """The key of a synapse's moments: its operand's name, as dense synapses that read the same spikes share them.

        Convolutions have patches, and so moments, of their own: the key is the synapse's name.
        """
        return name if isinstance(self.network[name], ConvSynapse) else self.network.nodes[name].inputs[0]

    def at(self, name: str) -> Moments | None:
        """Moments at a synapse, gathered if needed; None if its weights are not shared, or none of its rows counts."""
        key = self.key(name)
        group = next((group for group in self.groups if key in group), None)
        if group is None:
            return None
        if key not in self.moments:
            self._gather(group)
        return self.moments[key] if self.moments[key].count > 0 else None

    def release(self) -> None:
        """Give back the memory of moments, and of what the network's operations keep besides their parameters."""
        self.moments.clear()
        self._start()
        factor.cache_clear()
        self.network.release()

    @cached_property
    def groups(self) -> list[dict[str, list[str]]]:
        """Groups of synapses whose moments are in memory together, in the network's order; each by :meth:`key`."""
        found: list[dict[str, list[str]]] = []
        known: dict[str, list[str]] = {}
        room = 0
        for name, op in shared(self.network).items():
            key = self.key(name)
            if key not in known:
                size = moments_bytes(op)
                if size > room:
                    found.append({})
                    room = MOMENTS_BYTES
                room -= size
                known[key] = found[-1][key] = []
            known[key].append(name)
        return found

    def collect(self, group: Mapping[str, list[str]], batch: slice, name: str, result: Result) -> None:
        """Add what node ``name`` sent for a batch of samples to the moments of the group's synapses that read it."""
        for key, names in group.items():
            if self.network.nodes[names[0]].inputs[0] == name:
                synapse = self.network[names[0]]
                assert isinstance(synapse, Synapse)
                x = decode(result.values, self.network.code(name).levels)
                found = moments(synapse, x, self._importance(names, batch, x.device))
                self.moments[key] = self.moments[key] + found if key in self.moments else found

    @torch.no_grad()
    def _gather(self, group: Mapping[str, list[str]]) -> None:
        """Run the samples on as far as a group's moments need; from the start if the group lies before that point."""
        self.moments.clear()
        sources = {self.network.nodes[names[0]].inputs[0] for names in group.values()}
        names = list(self.network.nodes)
        places = [number for number, name in enumerate(names) if name in sources]
        if places[0] < self.reached:
            self._start()
        runner, nodes = ClosedForm(self.network), names[self.reached : places[-1] + 1]

        def look(batch: slice, name: str, op: Operation, result: Result) -> None:
            self.collect(group, batch, name, result)

        total, told = len(self.samples), within(self.progress, self.groups.index(dict(group)) - 1, len(self.groups) - 1)
        for batch in slices(total, self.batch, told):
            if self.reached == 0:
                self.live[batch.start] = {Network.INPUT: runner.encode(self.samples[batch])}
            observe = telling(runner, batch, total, partial(look, batch), told)
            runner.advance(self.live[batch.start], nodes, observe)
        self.reached = places[-1] + 1

    def _start(self) -> None:
        """Let the next run begin at the network's input."""
        self.reached = 0
        self.live.clear()

    def _importance(self, names: list[str], batch: slice, device: torch.device) -> torch.Tensor | None:
        """The importance of this batch's rows, summed over synapses, (batch, rows); None if all rows count the same."""
        own = [self.importance[name][batch] for name in names if name in self.importance]
        return torch.from_numpy(sum(own)).to(device) if own else None
