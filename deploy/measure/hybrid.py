"""Networks of which only a part spikes, to measure what converting softmax alone or single blocks costs in accuracy.

All other nodes compute in real numbers what the trained network does. At the border, real values become potentials, and
spikes and potentials are decoded. No target runs such a network.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Iterator, Set
from dataclasses import dataclass

import numpy as np
import torch

from converters.pipeline import Conversion
from converters.scales import scale_of, unit_of
from deploy.measure.ladder import Rung, rung
from evaluator.closed_form import ClosedForm
from processes.backends.devices import current_device
from processes.batches import slices
from processes.network import Network, Route, SiExp, SiNorm, Woss
from processes.spikes import decode

BLOCK = re.compile(r"^(.*\.\d+)(?=\.)")


@dataclass
class Hybrid:
    """Runs the nodes named in ``spiking`` as in ``network`` (calibrated or integer) and all others as in ``ideal``."""

    ideal: Network
    network: Network
    spiking: Set[str]

    @torch.no_grad()
    def run(self, x: np.ndarray) -> torch.Tensor:
        """Outputs (N, *output shape) in the model's units for inputs (N, *input)."""
        encoded = ClosedForm(self.network).encode(x)
        real: dict[str, torch.Tensor] = {Network.INPUT: ClosedForm(self.ideal).encode(x)}
        spikes: dict[str, torch.Tensor] = {Network.INPUT: encoded}
        last = {source: name for name, node in self.ideal for source in node.inputs}
        result = encoded
        for name, node in self.ideal:
            if name in self.spiking:
                op = self.network[name]
                operands = [spikes[s] if s in spikes else self._potential(s, real[s]) for s in node.inputs]
                spikes[name] = result = op.closed_form(*operands).values
            else:
                real[name] = node.op.ideal(*(real[s] if s in real else self._value(s, spikes[s]) for s in node.inputs))
                result = real[name]
            for source in node.inputs:
                if last[source] == name:
                    real.pop(source, None)
                    spikes.pop(source, None)
        name = self.ideal.output
        return result if name in real else self._value(name, spikes[name])

    def _unit(self, name: str) -> torch.Tensor:
        """Real value of one unit of a node's potential."""
        unit = self.network.units[name] if self.network.units else unit_of(self.network, name)
        return torch.tensor(unit, dtype=torch.float32, device=current_device())

    def _potential(self, name: str, value: torch.Tensor) -> torch.Tensor:
        potential = value / self._unit(name)
        return potential.round() if self.network.units else potential

    def _value(self, name: str, output: torch.Tensor) -> torch.Tensor:
        origin = self.network.origin(name)
        if origin == Network.INPUT or not self.network[origin].fires:
            return output * self._unit(name)
        scale = torch.tensor(scale_of(self.network, name), dtype=torch.float32, device=output.device)
        return decode(output, self.network.code(name).levels) * scale


def block_rungs(
    conversion: Conversion,
    inputs: np.ndarray,
    reference: np.ndarray,
    labels: np.ndarray | None,
    classes: bool,
    batch: int,
    progress: Callable[[str, int, int], None],
) -> list[Rung]:
    """A rung without spikes, then one for each of :func:`parts`; ``reference``: the original's outputs (N, ...)."""
    rungs = [rung("0 blocks", reference, reference, labels, classes)]
    for name, spiking in parts(conversion.network):
        hybrid, outputs = Hybrid(conversion.ideal, conversion.network, spiking), []
        for part in slices(len(inputs), batch, functools.partial(progress, name)):
            outputs.append(hybrid.run(inputs[part]).float().cpu().numpy())
        found = np.concatenate(outputs)
        rungs.append(rung(name, found[:, 0] if found.shape[1] == 1 else found, reference, labels, classes))
    return rungs


def parts(network: Network) -> Iterator[tuple[str, set[str]]]:
    """Yield (name, spiking nodes): SIT's softmax alone, then the first 1, 2, ... blocks; nothing without softmax."""
    softmax = [name for name, node in network if isinstance(node.op, (SiExp, Woss))]
    if not softmax:
        return
    alone = {name for name, node in network if isinstance(node.op, (SiExp, SiNorm))}
    if alone:
        yield "softmax only", alone
    found = [match.group(1) for name in softmax if (match := BLOCK.match(name))]
    blocks = list(dict.fromkeys(found))
    for count in range(1, len(blocks) + 1):
        within = tuple(f"{block}." for block in blocks[:count])
        yield f"{count} of {len(blocks)} blocks", closed(network, {n for n in network.nodes if n.startswith(within)})


def closed(network: Network, names: set[str]) -> set[str]:
    """``names``, the firing nodes that these read and that those read in turn, and the routes of their spikes."""
    found = {name for name in names if not isinstance(network[name], Route)}
    for name in reversed(network.nodes):
        if name in found:
            origins = (network.origin(source) for source in network.nodes[name].inputs)
            found |= {o for o in origins if o != Network.INPUT and network[o].fires}
    return found | {n for n, node in network if isinstance(node.op, Route) and network.origin(n) in found}
