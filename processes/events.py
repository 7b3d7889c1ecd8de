"""Events of a run, counted from what nodes received and sent; each operation answers for itself in its ``events.py``.

The docstring of each answer says what happens at a spike and at a step; ``EVENTS`` defines the names. Counts follow
from the spikes of a run, never from nominal rates (docs/design.md, Energy counting).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import torch

from processes.backends.numba.views import as_numpy
from processes.kernels import events as kernels
from processes.operation import Operation, Window
from processes.traits import Trait

EVENTS = {
    "spikes": "binary spikes fired",
    "graded_spikes": "messages sent that carry a number of up to 24 bits",
    "transfers": "messages of either kind, once for each layer that they go to",
    "synaptic_operations": "additions started by spikes: one for each stored synapse that a spike reaches (weights of "
    "zero are not stored), and in products of activations one for each trace that is not zero",
    "idle_trace_reads": "local traces that a spike reads in products of activations and finds zero",
    "trace_copies": "local traces written by spikes",
    "potential_updates": "neuron-steps in which something arrives and a potential is rewritten",
    "compares": "neuron-steps in which a potential meets its threshold",
    "silent_compares": "those of them after which the neuron does not fire",
    "threshold_products": "thresholds multiplied by a row's sum, which is how rows are divided",
    "neuron_steps": "neurons times the steps of a sample, idle or not",
    "macs": "multiply-accumulates of the original network's weights and products",
    "outputs": "numbers that those layers of the original network write",
}
"""Every event that is counted, in words. All counts are whole numbers."""

Events = Mapping[str, int]
"""Counts by the names of ``EVENTS``; absent ones are 0."""


@dataclass(frozen=True)
class Visit:
    """What a node received and sent over a batch of N samples.

    Attributes:
        op: the node's operation.
        inputs: what each operand sent: codes (planes, N, *shape) of spikes, else potentials (N, *shape).
        output: what the node sent, in the same form.
        emits: what each operand sends: spikes, currents or graded.
        windows: the steps in which each operand emits.
    """

    op: Operation
    inputs: list[torch.Tensor]
    output: torch.Tensor
    emits: list[str]
    windows: list[Window]

    @property
    def samples(self) -> int:
        """N, the number of samples of the batch."""
        return self.output.shape[1 if self.op.fires else 0]

    @property
    def size(self) -> int:
        """Number of neurons of the node, times the samples."""
        return math.prod(self.op.shape) * self.samples

    @property
    def rows(self) -> int:
        """Number of rows along the last axis, in all samples together."""
        return self.size // self.op.shape[-1]

    def length(self, operand: int) -> int:
        """Number of steps of an operand's window."""
        return self.windows[operand].stop - self.windows[operand].start


events: Trait[[Visit], Events] = Trait("events", "which events a node causes")
"""Events of a node in a batch besides those of :func:`messages`, which are counted alike for all operations."""

Quantity = Literal["spikes_per_neuron", "timesteps", "tokens"]

growth: Trait[[Quantity, str], int] = Trait("events", "how its events grow")
"""The power of f with which the count of an event grows if spikes, time steps or tokens become f times as many."""

WITH_SPIKES = (
    "spikes", "transfers", "synaptic_operations", "idle_trace_reads", "trace_copies", "potential_updates",
)  # fmt: skip
WITH_STEPS = ("compares", "silent_compares", "threshold_products", "neuron_steps")


def one_by_one(op: Any, quantity: Quantity, event: str) -> int:
    """Growth where tokens are independent: with tokens, and with spikes or steps as ``WITH_SPIKES``, ``WITH_STEPS``."""
    return int({"spikes_per_neuron": event in WITH_SPIKES, "timesteps": event in WITH_STEPS, "tokens": True}[quantity])


def in_pairs(op: Any, quantity: Quantity, event: str) -> int:
    """Growth where every token meets every other: with the square of tokens, otherwise as :func:`one_by_one`."""
    return 2 if quantity == "tokens" else one_by_one(op, quantity, event)


def messages(visit: Visit) -> Events:
    """Count graded spikes sent, and transfers from other layers; currents stay inside a core and are no transfers."""
    arriving = 0
    for values, kind in zip(visit.inputs, visit.emits, strict=True):
        if kind != "currents":
            arriving += int(torch.count_nonzero(values)) if kind == "spikes" else values.numel()
    sent = {"graded_spikes": visit.size} if visit.op.emits == "graded" else {}
    return {"transfers": arriving, **sent}


def firing(visit: Visit, steps: int, eligible: int, latest: np.ndarray | None = None) -> dict[str, int]:
    """Count spikes and threshold compares of neurons that fire in a window of ``steps`` steps.

    Each of the ``eligible`` neurons is compared at every step until it has spent its spikes; one that has fired, and
    may do so again only until step ``latest``, is not compared after that step.
    """
    spikes, spent, last = kernels.fired(as_numpy(visit.output).reshape(len(visit.output), -1))
    compares = last + steps * (eligible - spent)
    if latest is not None:
        codes = visit.output.abs().int()
        waits = (codes[0] > 0) & (codes[-1] == 0)
        compares -= int(((steps - codes.amax(0).maximum(torch.from_numpy(latest + 1))) * waits).sum())
    return {"spikes": int(spikes), "compares": int(compares), "silent_compares": int(compares - spikes)}


def takes_part(op: Any, visit: Visit) -> np.ndarray:
    """Mask of the keys that take part in a softmax, (samples and windows, heads, rows, keys)."""
    if len(visit.inputs) > 1:
        mask = as_numpy(op.mask_of(visit.samples, visit.inputs[1]))
    else:
        mask = np.tile(op.mask(), (visit.samples, 1, 1, 1))
    shape = ((1,) * 3 + op.shape)[-3:]
    windows = visit.size // math.prod(shape) // len(mask)
    return np.broadcast_to(mask[:, None], (len(mask), windows, *shape)).reshape(-1, *shape)


def distinct_steps(codes: torch.Tensor, steps: int) -> int:
    """Number of steps in which at least one neuron of a row along the last axis spikes, summed over all rows."""
    return int(kernels.distinct_steps(rows_of(codes), steps))


def rows_of(codes: torch.Tensor) -> np.ndarray:
    """Codes as an array (planes, rows, last axis)."""
    return as_numpy(codes).reshape(len(codes), -1, codes.shape[-1])
