"""A stepped run against the closed form: every spike of every neuron, every potential of every layer.

Fixed point has to agree exactly. In floating point the order of summation may decide a tie: a spike that differs is
excused if the closed form, with its potentials moved by a relative TIE, gives the very spike that was stepped. Each
operation is evaluated on what was *stepped* before it, so that an excused tie does not spread.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import torch

from evaluator.closed_form import ClosedForm
from evaluator.target_run import TargetRun
from processes.network import Network, Route
from processes.operation import Operation, Result

TIE = 1e-5  # docs/design.md, Exactness: ties within 1e-5 of a threshold
POTENTIAL = 1e-6  # relative, of float64 sums taken in another order


@dataclass
class Exactness:
    """Counts of a comparison; ``first`` says which layer, neuron and step differ first, in the network's order.

    ``saturations``: potentials clipped in the stepped run, by layer; a count that differs from the closed form's is a
    mismatch.
    """

    compared_spikes: int = 0
    compared_potentials: int = 0
    mismatches: int = 0
    ties: int = 0
    first: str | None = None
    saturations: dict[str, int] = field(default_factory=dict)


def compare(network: Network, samples: np.ndarray, run: TargetRun) -> Exactness:
    """Compare ``run`` of samples (N, *input) with the closed form.

    Args:
        network: what was run.
        samples: the inputs in real units, before they became graded messages.
        run: the target's outputs, with the values of every node that is not wiring.
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
            inputs = [operands[source] for source in network.nodes[name].inputs]
            excused = wrong & _tied(op, inputs, stepped)
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


def _tied(op: Operation, inputs: list[torch.Tensor], stepped: torch.Tensor) -> torch.Tensor:
    """Where potentials a relative TIE larger or smaller make the closed form fire as stepped."""
    moved = [op.closed_form(inputs[0] * (1 + s * TIE), *inputs[1:], dtype=torch.float64).values for s in (1, -1)]
    return (moved[0] == stepped) | (moved[1] == stepped)


def _describe(name: str, op: Operation, output: torch.Tensor, stepped: torch.Tensor, wrong: torch.Tensor) -> str:
    place = tuple(int(i) for i in wrong.nonzero()[0])
    if not op.fires:
        return f"layer '{name}', sample {place[0]}, neuron {place[1:]}: potential {stepped[place]:g}, not {output[place]:g}"

    def spike(code: int) -> str:
        return f"a {'+' if code > 0 else '-'} spike at step {abs(code) - 1}" if code else "silence"

    spikes = f"{spike(int(stepped[place]))}, not {spike(int(output[place]))}"
    return f"layer '{name}', sample {place[1]}, neuron {place[2:]}: {spikes}"
