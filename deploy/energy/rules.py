"""How the events of one node follow from its operands and its output: one rule per kind of operation.

Each rule says in its docstring what happens at a spike and at a step; ``deploy.energy.events.EVENTS`` defines the names.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from deploy.energy import kernels
from processes.backends.numba.views import as_numpy
from processes.dynamic_threshold import DynamicThreshold
from processes.operation import Operation, Window
from processes.phase_neuron import PhaseNeuron
from processes.rate_neuron import RateNeuron
from processes.readout import Readout
from processes.residual import Centre, Residual
from processes.si_exp import SiExp
from processes.si_neuron import SiNeuron
from processes.si_norm import SiNorm
from processes.synapse import ConvSynapse, DenseSynapse, ScaleSynapse
from processes.trace_product import SquareSum, TraceProduct
from processes.woss import Woss

Events = Mapping[str, int]


@dataclass(frozen=True)
class Visit:
    """What a node received and sent over a batch of N samples.

    op: the node. inputs, output: codes (planes, N, *shape) of spikes, else potentials (N, *shape). emits: what each operand
    is, spikes, currents or graded. windows: in which steps each operand emits.
    """

    op: Operation
    inputs: list[torch.Tensor]
    output: torch.Tensor
    emits: list[str]
    windows: list[Window]

    @property
    def samples(self) -> int:
        """N."""
        return self.output.shape[1 if self.op.fires else 0]

    @property
    def size(self) -> int:
        """Neurons of the node, in all samples."""
        return math.prod(self.op.shape) * self.samples

    @property
    def rows(self) -> int:
        """Rows along the last axis, in all samples."""
        return self.size // self.op.shape[-1]

    def length(self, operand: int) -> int:
        """Steps of an operand's window."""
        return self.windows[operand].stop - self.windows[operand].start


def messages(visit: Visit) -> Events:
    """Spikes and graded spikes sent, and what arrives from other layers. Currents stay inside a neuron's core."""
    arriving = 0
    for values, kind in zip(visit.inputs, visit.emits, strict=True):
        if kind != "currents":
            arriving += int(torch.count_nonzero(values)) if kind == "spikes" else values.numel()
    sent = {"graded_spikes": visit.size} if visit.op.emits == "graded" else {}
    return {"transfers": arriving, **sent}


def firing(visit: Visit, steps: int, eligible: int, latest: np.ndarray | None = None) -> dict[str, int]:
    """Each of the ``eligible`` neurons meets its threshold at every step of its window until it has spent its spikes.

    One that has fired, and may do so again until step ``latest`` only, does not meet it after that.
    """
    spikes, spent, last = kernels.fired(as_numpy(visit.output).reshape(len(visit.output), -1))
    compares = last + steps * (eligible - spent)
    if latest is not None:
        codes = visit.output.abs().int()
        waits = (codes[0] > 0) & (codes[-1] == 0)
        compares -= int(((steps - codes.amax(0).maximum(torch.from_numpy(latest + 1))) * waits).sum())
    return {"spikes": int(spikes), "compares": int(compares), "silent_compares": int(compares - spikes)}


def phase_neuron(op: PhaseNeuron, visit: Visit) -> Events:
    """Takes a graded message into its potential, if that is what it is sent; then fires."""
    taken = visit.size if visit.emits[0] == "graded" else 0
    return firing(visit, op.schedule.steps, visit.size, op.latest) | {"potential_updates": taken}


def rate_neuron(op: RateNeuron, visit: Visit) -> Events:
    """The same at every step of its window, however often it fires."""
    taken = visit.size if visit.emits[0] == "graded" else 0
    return firing(visit, op.steps, visit.size) | {"potential_updates": taken}


def dynamic_threshold(op: DynamicThreshold, visit: Visit) -> Events:
    """Forms its threshold anew, by a product, for every comparison; the row's sum comes to it as a graded spike.

    After softmax it adds up the sum itself: one addition for every spike of e, one update for every step with one.
    """
    events = firing(visit, op.steps, visit.size, op.latest)
    events |= {"threshold_products": events["compares"], "graded_spikes": visit.rows}
    if op.squared:
        return events | {"potential_updates": visit.size if visit.emits[0] == "graded" else 0}
    codes = visit.inputs[1]
    updates = _distinct_steps(codes, visit.length(1))
    return events | {"synaptic_operations": int(torch.count_nonzero(codes)), "potential_updates": updates}


def woss(op: Woss, visit: Visit) -> Events:
    """Finds the row's winner, then the threshold falls; masked keys do neither.

    By graded spikes, every neuron sends its potential, the inhibitory neuron compares it and sends the largest back; by
    a race, every neuron meets the falling threshold until the winner crosses, and who crosses with it sends.
    """
    allowed = _allowed(op, visit)
    events = firing(visit, op.steps, int(allowed.sum()), op.latest)
    if op.race is None:
        sent = met = int(allowed.sum())
    else:
        potentials = as_numpy(visit.inputs[0]).reshape(allowed.shape)
        lowest = np.where(allowed, potentials, -np.inf)
        crossed = lowest.max(-1, keepdims=True)[..., None] >= op.race[:, None, None, :]
        step = crossed.argmax(-1)  # the last threshold is crossed by everybody
        limit = np.take_along_axis(np.broadcast_to(op.race[:, None, None, :], crossed.shape), step[..., None], -1)
        sent, met = int((lowest >= limit[..., 0]).sum()), int(((step + 1) * allowed).sum())
    events["compares"] += met
    events["silent_compares"] += met
    return events | {"graded_spikes": sent + int(allowed.any(-1).sum())}


def _allowed(op: Woss | SiExp, visit: Visit) -> np.ndarray:
    """Which keys take part, (samples and windows, heads, rows, keys)."""
    if len(visit.inputs) > 1:
        mask = as_numpy(op.mask_of(visit.samples, visit.inputs[1]))
    else:
        mask = np.tile(op.mask(), (visit.samples, 1, 1, 1))
    shape = ((1,) * 3 + op.shape)[-3:]
    windows = visit.size // math.prod(shape) // len(mask)
    return np.broadcast_to(mask[:, None], (len(mask), windows, *shape)).reshape(-1, *shape)


def si_exp(op: SiExp, visit: Visit) -> Events:
    """Finds the largest by graded spikes, as the race does, if it has a clock; a spike rewrites its own potential."""
    allowed = _allowed(op, visit)
    events = firing(visit, op.steps, int(allowed.sum()))
    events["potential_updates"] = events["spikes"]
    if op.clock is not None:
        events["compares"] += int(allowed.sum())
        events["silent_compares"] += int(allowed.sum())
        events["graded_spikes"] = int(allowed.sum()) + int(allowed.any(-1).sum())
    return events


def si_neuron(op: SiNeuron, visit: Visit) -> Events:
    """Meets a threshold at every step, and a spike rewrites its own potential."""
    events = firing(visit, op.steps, visit.size)
    taken = visit.size if visit.emits[0] == "graded" else 0
    return events | {"potential_updates": events["spikes"] + taken}


def si_norm(op: SiNorm, visit: Visit) -> Events:
    """Hears its own neuron's spikes, which also reach the row's sum; the sum comes back; each step drives the potential."""
    events = firing(visit, op.steps, visit.size)
    heard = 2 * int(torch.count_nonzero(visit.inputs[0]))
    updates = heard + visit.size * op.steps + events["spikes"]
    return events | {"synaptic_operations": heard, "potential_updates": updates, "graded_spikes": visit.rows}


def dense(op: DenseSynapse, visit: Visit) -> Events:
    """A spike adds its column of stored weights; every output of a row is rewritten in each step with a spike."""
    codes = _rows(visit.inputs[0])
    outputs, inputs = op.weight.shape
    synapses = np.count_nonzero(op.weight, axis=0)
    if (synapses == outputs).all():
        operations = int(np.count_nonzero(codes)) * outputs
    else:
        operations = int(kernels.column_spikes(codes) @ synapses)
    updates = _distinct_steps(visit.inputs[0], visit.length(0)) * outputs
    macs = codes.shape[1] * inputs * outputs
    return {
        "synaptic_operations": operations, "potential_updates": updates,
        "macs": macs, "outputs": visit.size,
    }  # fmt: skip


def conv(op: ConvSynapse, visit: Visit) -> Events:
    """The same, for the spikes under the kernel at each position."""
    codes = as_numpy(visit.inputs[0])
    codes = codes.reshape(len(codes), -1, *codes.shape[-3:])
    per_group = op.weight.shape[0] // op.groups
    stored = np.count_nonzero(op.weight.reshape(op.groups, per_group, *op.weight.shape[1:]), axis=1)
    synapses = stored.reshape(-1, *op.weight.shape[2:]).astype(np.int64)
    size = (op.groups, *op.shape[-2:])
    operations, occupied = kernels.convolution(
        codes, synapses, size, tuple(op.stride), tuple(op.padding), tuple(op.dilation), visit.length(0)
    )
    return {
        "synaptic_operations": int(operations), "potential_updates": int(occupied) * per_group,
        "macs": visit.size * math.prod(op.weight.shape[1:]), "outputs": visit.size,
    }  # fmt: skip


def scale(op: ScaleSynapse, visit: Visit) -> Events:
    """One synapse for each neuron; pooled ones share a target, which is rewritten once in a step."""
    codes = visit.inputs[0]
    if visit.emits[0] != "spikes":
        return {"synaptic_operations": codes.numel(), "potential_updates": visit.size}
    spikes = int(torch.count_nonzero(codes))
    if not op.pool:
        return {"synaptic_operations": spikes, "potential_updates": spikes}
    axes = [axis + codes.ndim - len(op.shape) for axis in op.pool]
    last = torch.movedim(codes, axes, list(range(-len(axes), 0))).flatten(-len(axes))
    return {
        "synaptic_operations": spikes,
        "potential_updates": _distinct_steps(last, visit.length(0)),
    }


def trace_product(op: TraceProduct, visit: Visit) -> Events:
    """A spike writes its own trace and reads those of the other side's neurons that share its feature.

    While the other side has not begun, there is nothing to read: an operand that fires a window earlier only writes.
    """
    a, b = visit.inputs
    b = b if op.transpose_b else b.transpose(-1, -2)
    lead = torch.broadcast_shapes(a.shape[1:-2], b.shape[1:-2])
    a, b = (as_numpy(x.expand(len(x), *lead, *x.shape[-2:])).reshape(len(x), -1, *x.shape[-2:]) for x in (a, b))
    begin = min(window.start for window in visit.windows)
    delay_a, delay_b = (window.start - begin for window in visit.windows)
    steps = max(window.stop for window in visit.windows) - begin
    operations, updates, spikes_a, spikes_b = kernels.product(a, b, delay_a, delay_b, steps)
    return {
        "synaptic_operations": int(operations), "potential_updates": int(updates),
        "idle_trace_reads": int(spikes_a * b.shape[2] + spikes_b * a.shape[2] - operations),
        "trace_copies": int(np.count_nonzero(a)) + int(np.count_nonzero(b)),
        "macs": a.shape[1] * a.shape[2] * a.shape[3] * b.shape[2], "outputs": visit.size,
    }  # fmt: skip


def square_sum(op: SquareSum, visit: Visit) -> Events:
    """A spike reads its own trace, adds its share to the row's sum and writes the trace."""
    spikes = int(torch.count_nonzero(visit.inputs[0]))
    updates = _distinct_steps(visit.inputs[0], visit.length(0))
    return {"synaptic_operations": spikes, "trace_copies": spikes, "potential_updates": updates}


def residual(op: Residual, visit: Visit) -> Events:
    """The compartments of its branches are multiplied and added up once, as a potential is at a step by its trace."""
    return {"potential_updates": visit.size * len(visit.inputs)}


def centre(op: Centre, visit: Visit) -> Events:
    """The mean neuron adds up a row and sends the mean back, which every neuron of the row subtracts."""
    return {"potential_updates": 2 * visit.size, "graded_spikes": visit.rows}


def readout(op: Readout, visit: Visit) -> Events:
    """Its potentials are the messages that are counted already."""
    return {}


def _distinct_steps(codes: torch.Tensor, steps: int) -> int:
    """Over all rows along the last axis: in how many steps at least one neuron of the row spikes."""
    return int(kernels.distinct_steps(_rows(codes), steps))


def _rows(codes: torch.Tensor) -> np.ndarray:
    """(planes, rows, last axis)."""
    return as_numpy(codes).reshape(len(codes), -1, codes.shape[-1])


RULES: dict[type[Operation], Callable[[Any, Visit], Events]] = {
    PhaseNeuron: phase_neuron, RateNeuron: rate_neuron, SiNeuron: si_neuron, SiExp: si_exp, SiNorm: si_norm,
    DynamicThreshold: dynamic_threshold, Woss: woss, DenseSynapse: dense,
    ConvSynapse: conv, ScaleSynapse: scale, TraceProduct: trace_product, SquareSum: square_sum, Residual: residual,
    Centre: centre, Readout: readout,
}  # fmt: skip
