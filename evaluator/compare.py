"""Compares a stepped run with the closed form: every spike of every neuron, every potential of every layer.

Fixed point has to agree exactly. In floating point the order of summation may decide a tie: a differing spike is
excused if the closed form, with its potentials changed by a relative TIE, gives the stepped spike. Each operation is
evaluated on the *stepped* outputs of its operands, so that an excused tie does not spread.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import torch

from evaluator.closed_form import ClosedForm, currents_by_step, streams
from evaluator.target_run import TargetRun
from processes.network import Network, Node, Route
from processes.operation import Operation, Result

TIE = 1e-5  # docs/design.md, Exactness: ties within 1e-5 of a threshold
POTENTIAL = 1e-6  # relative, of float64 sums taken in another order


@dataclass
class Exactness:
    """The counts of a comparison.

    Attributes:
        compared_spikes: entries of codes compared: each neuron of each sample, once for each spike that it may send.
        compared_potentials: potentials compared.
        mismatches: spikes, potentials and counts of clips that differ; 0 if both runs agree.
        ties: differing spikes that are excused; floating point only.
        first: the layer, neuron and step of the first mismatch in the network's order, in words; None if there is none.
        saturations: potentials clipped in the stepped run, by layer.
    """

    compared_spikes: int = 0
    compared_potentials: int = 0
    mismatches: int = 0
    ties: int = 0
    first: str | None = None
    saturations: dict[str, int] = field(default_factory=dict)


def compare(network: Network, samples: np.ndarray, run: TargetRun) -> Exactness:
    """Compare a target's run with the closed form, node by node.

    Args:
        network: the network that was run.
        samples: the inputs (N, *input) in real units.
        run: the run, with the values of every node that is not a route.
    """
    found = Exactness(saturations=run.clips)
    exact = network.header.fixed
    operands: dict[str, torch.Tensor] = {}

    def observe(name: str, op: Operation, result: Result) -> torch.Tensor:
        output = result.values
        if isinstance(op, Route):
            operands[name] = output
            return output
        stepped = torch.from_numpy(run.values[name]).to(output.device)
        if op.fires:
            stepped = stepped.swapaxes(0, 1).to(output.dtype)
            wrong = stepped != output
            found.compared_spikes += output.numel()
        else:
            stepped = stepped.to(output.dtype)
            far = POTENTIAL * output.abs().max() if not exact else 0
            wrong = (stepped - output).abs() > far
            found.compared_potentials += output.numel()
        if op.fires and not exact and bool(wrong.any()):
            excused = wrong & _tied(op, _inputs(network, network.nodes[name], operands), stepped)
            found.ties += int(excused.sum())
            wrong &= ~excused
        if bool(wrong.any()):
            found.mismatches += int(wrong.sum())
            found.first = found.first or _describe(name, op, output, stepped, wrong)
        clips = result.clipped
        if (counted := run.clips.get(name, clips)) != clips:
            found.mismatches += abs(counted - clips)
            found.first = found.first or f"layer '{name}': {counted} potentials saturated, not {clips}"
        operands[name] = stepped
        return stepped

    runner = ClosedForm(network, torch.float64)
    operands[Network.INPUT] = runner.encode(samples)
    runner.run(samples, observe)
    return found


def _inputs(network: Network, node: Node, sent: Mapping[str, torch.Tensor]) -> list[torch.Tensor]:
    """What a node's closed form takes, of what its operands have sent: currents (T, N, *shape) if it streams."""
    if streams(node.op):
        return [currents_by_step(network, node, sent, torch.float64)]
    return [sent[source] for source in node.inputs]


def _tied(op: Operation, inputs: list[torch.Tensor], stepped: torch.Tensor) -> torch.Tensor:
    """Where the closed form of potentials larger or smaller by a relative TIE gives the stepped codes, bool.

    Nowhere for operations that read spikes, which have no potential that another order of summation could move.
    """
    potentials, *others = inputs
    if not potentials.is_floating_point():
        return torch.zeros_like(stepped, dtype=torch.bool)
    moved = [op.closed_form(potentials * (1 + s * TIE), *others, dtype=torch.float64).values for s in (1, -1)]
    return (moved[0] == stepped) | (moved[1] == stepped)


def _describe(name: str, op: Operation, output: torch.Tensor, stepped: torch.Tensor, wrong: torch.Tensor) -> str:
    place = tuple(int(i) for i in wrong.nonzero()[0])
    if not op.fires:
        return f"layer '{name}', sample {place[0]}, neuron {place[1:]}: potential {stepped[place]:g}, not {output[place]:g}"

    def spike(code: int) -> str:
        return f"a {'+' if code > 0 else '-'} spike at step {abs(code) - 1}" if code else "silence"

    spikes = f"{spike(int(stepped[place]))}, not {spike(int(output[place]))}"
    return f"layer '{name}', sample {place[1]}, neuron {place[2:]}: {spikes}"
