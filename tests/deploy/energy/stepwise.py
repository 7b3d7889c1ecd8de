"""Events counted one step at a time from the messages of a stepped run: slow, and by the definitions alone."""

from __future__ import annotations

from collections import Counter, defaultdict

import numpy as np

from evaluator.timeline import timeline
from processes.network import (
    Centre,
    ConvSynapse,
    DenseSynapse,
    DynamicThreshold,
    ElementwiseProduct,
    IfNeuron,
    MaxPool,
    Network,
    PhaseNeuron,
    Residual,
    Route,
    ScaleSynapse,
    SiExp,
    SiNeuron,
    SiNorm,
    SquareSum,
    TraceProduct,
    Winners,
    Woss,
)

Spikes = np.ndarray | None


def count_stepwise(network: Network, samples: np.ndarray) -> dict[str, Counter[str]]:
    """Events by node of graded inputs (N, *input)."""
    times = timeline(network)
    steppers = {
        name: node.op.stepper(times.windows[name], [times.windows[s] for s in node.inputs]) for name, node in network
    }
    counts: dict[str, Counter[str]] = defaultdict(Counter)
    for sample in samples:
        for stepper in steppers.values():
            stepper.reset()
        fired: dict[str, np.ndarray] = {}
        traces: dict[str, list[np.ndarray]] = {}
        for t in range(times.period):
            sent: dict[str, Spikes] = {Network.INPUT: sample if t == 0 else None}
            for name, node in network:
                span = times.span(network, name)
                if not span.start <= t < span.stop:
                    continue
                messages = [sent.get(source) for source in node.inputs]
                k = t - times.windows[name].start
                eligible = _eligible(node.op, steppers[name], fired.get(name), k)
                held = steppers[name].held.copy() if isinstance(node.op, IfNeuron) else 0
                sent[name] = steppers[name].step(t, messages)
                # a mask may keep spikes from readers, and none from the neuron itself
                crossed = np.abs(steppers[name].held - held).sum() if isinstance(node.op, IfNeuron) else None
                if isinstance(node.op, Route):
                    continue
                kinds = ["graded" if s == Network.INPUT else network[s].emits for s in node.inputs]
                found = counts[name]
                for message, kind in zip(messages, kinds, strict=True):
                    if message is not None and kind == "spikes":
                        found["transfers"] += np.count_nonzero(message)
                    elif message is not None and kind == "graded":
                        found["transfers"] += message.size
                _arrivals(found, node.op, messages, kinds, traces.setdefault(name, []), t, times.windows[name].start)
                _sending(found, node.op, sent[name], t - times.windows[name].start, eligible, fired, name, crossed)
        for name, node in network:
            if node.op.emits != "currents" and not isinstance(node.op, Route):
                counts[name]["neuron_steps"] += int(np.prod(node.op.shape)) * times.period
    return counts


def _eligible(op, stepper, already: np.ndarray | None, k: int) -> np.ndarray:
    """Neurons that may still fire at k."""
    left = np.full(op.shape, getattr(op, "spikes", 1))
    if isinstance(op, Woss):
        left = left * np.broadcast_to(stepper.allowed, op.shape)
    if isinstance(op, SiExp):
        left = left * stepper.static
    if already is not None and getattr(op, "latest", None) is not None:
        left = np.where((already > 0) & (k > op.latest), 0, left)
    return left > (0 if already is None else already)


def _sending(
    found: Counter[str], op, message: Spikes, k: int, eligible: np.ndarray, fired, name: str, crossed: int | None
) -> None:
    if not op.fires:
        found["graded_spikes"] += message.size if op.emits == "graded" and message is not None else 0
        return
    if (
        isinstance(op, (SiExp, Woss)) and k == -1
    ):  # everybody sends, the inhibitory neuron meets each, and answers the row
        found["graded_spikes"] += int(eligible.sum()) + int(eligible.any(-1).sum())
        found["compares"] += int(eligible.sum())
        found["silent_compares"] += int(eligible.sum())
    if isinstance(op, MaxPool | Winners):  # nothing has a threshold
        found["spikes"] += 0 if message is None else int(np.count_nonzero(message))
        return
    steps = op.schedule.steps if isinstance(op, PhaseNeuron) else op.steps
    if not 0 <= k < steps:
        return
    spikes = np.zeros(op.shape, int) if message is None else np.abs(message).astype(int)
    fired[name] = fired.get(name, np.zeros(op.shape, int)) + spikes
    crossed = int(spikes.sum() if crossed is None else crossed)
    found["spikes"] += int(spikes.sum())
    found["compares"] += int(eligible.sum())
    found["silent_compares"] += int(eligible.sum()) - crossed
    if isinstance(op, (SiExp, SiNeuron, SiNorm)):  # a spike takes its part off the potential
        found["potential_updates"] += int(spikes.sum())
    if isinstance(op, IfNeuron):  # what flows at every step rewrites every potential, else a spike takes its part off
        flows = not op.streams or bool(op.bias.any())
        found["potential_updates"] += int(np.prod(op.shape)) if flows else crossed
    if isinstance(op, SiNorm):  # the clock drives every potential; the row's sum arrives once
        found["potential_updates"] += int(np.prod(op.shape))
        found["graded_spikes"] += int(np.prod(op.shape[:-1])) if k == 0 else 0
    if isinstance(op, DynamicThreshold):
        found["threshold_products"] += int(eligible.sum())
        found["graded_spikes"] += int(np.prod(op.shape[:-1])) if k == 0 else 0


def _arrivals(
    found: Counter[str], op, messages: list[Spikes], kinds: list[str], traces: list, t: int, start: int
) -> None:
    first = messages[0]
    if isinstance(op, Residual):
        if t == start:
            found["potential_updates"] += int(np.prod(op.shape)) * len(messages)
    elif isinstance(op, Centre):
        if first is not None:
            found["potential_updates"] += 2 * first.size
            found["graded_spikes"] += first.size // first.shape[-1]
    elif isinstance(op, SiNorm) and first is not None:  # at the neuron and at its row's own
        found["synaptic_operations"] += 2 * np.count_nonzero(first)
        found["potential_updates"] += 2 * np.count_nonzero(first)
    elif (
        isinstance(op, (PhaseNeuron, DynamicThreshold, SiNeuron, IfNeuron))
        and kinds[0] == "graded"
        and first is not None
    ):
        found["potential_updates"] += first.size
    if isinstance(op, DynamicThreshold) and not op.squared and messages[1] is not None:
        found["synaptic_operations"] += np.count_nonzero(messages[1])
        found["potential_updates"] += int((messages[1] != 0).any(-1).sum())
    if isinstance(op, TraceProduct):
        _product(found, op, messages, traces, t >= start)
        return
    if isinstance(op, ElementwiseProduct):
        _gate(found, op.shape, messages, traces, t >= start)
        return
    if first is None:
        return
    spikes = first != 0
    if isinstance(op, DenseSynapse):
        rows = spikes.reshape(-1, spikes.shape[-1]).astype(int)
        found["synaptic_operations"] += int((rows @ (op.weight.T != 0)).sum())
        found["potential_updates"] += int(spikes.any(-1).sum()) * len(op.weight)
    elif isinstance(op, ConvSynapse):
        _convolution(found, op, spikes[0])
    elif isinstance(op, MaxPool):
        for field in op.taps(spikes.shape):
            arrived = spikes.reshape(-1)[field[field >= 0]]
            found["synaptic_operations"] += int(arrived.sum())
            found["potential_updates"] += int(arrived.any())
    elif isinstance(op, Winners):  # every neuron of a group hears all of it
        found["synaptic_operations"] += int(spikes.sum()) * op.shape[-1]
        found["potential_updates"] += int(spikes.any(-1).sum()) * op.shape[-1]
    elif isinstance(op, ScaleSynapse):
        found["synaptic_operations"] += int(spikes.sum())
        found["potential_updates"] += int((spikes.any(op.pool) if op.pool else spikes).sum())
    elif isinstance(op, SquareSum):
        found["synaptic_operations"] += int(spikes.sum())
        found["trace_copies"] += int(spikes.sum())
        found["potential_updates"] += int(spikes.any(-1).sum())


def _product(found: Counter[str], op: TraceProduct, messages: list[Spikes], traces: list, begun: bool) -> None:
    """Every arriving spike meets the traces of the other side one by one."""
    shapes = [m.shape for m in messages if m is not None]
    if not shapes:
        return
    arriving = []
    for operand, message in enumerate(messages):
        if message is not None:
            message = np.swapaxes(message, -1, -2) if operand == 1 and not op.transpose_b else message
            found["trace_copies"] += np.count_nonzero(message)
        arriving.append(None if message is None else message != 0)
    if not traces:
        traces += [None, None]
    a, b = arriving
    held_a, held_b = traces
    touched = np.zeros(op.shape, bool)
    with_b = b if held_b is None else held_b if b is None else held_b | b
    for one, other, swap in ((a, with_b, False), (b, held_a, True)):
        if one is None or not begun:
            continue
        width = op.shape[-2] if swap else op.shape[-1]
        reads = int(one.sum()) * width
        met = 0
        if other is not None:
            met = int(np.einsum("...id,...jd->...", one.astype(int), other.astype(int)).sum())
        found["synaptic_operations"] += met
        found["idle_trace_reads"] += reads - met
        rows = one.any(-1)
        touched |= rows[..., None, :] if swap else rows[..., :, None]
    found["potential_updates"] += int(touched.sum())
    traces[0] = held_a if a is None else a if held_a is None else held_a | a
    traces[1] = with_b


def _gate(found: Counter[str], shape: tuple[int, ...], messages: list[Spikes], traces: list, begun: bool) -> None:
    """Every arriving spike meets the trace of the same neuron of the other side."""
    traces += [np.zeros(1, bool)] * (2 - len(traces))
    touched = np.zeros(1, bool)
    for side, message in enumerate(messages):
        if message is None:
            continue
        spikes = np.broadcast_to(message != 0, shape)
        found["trace_copies"] += int(spikes.sum())
        if begun:
            met = int((spikes & traces[1 - side]).sum())
            found["synaptic_operations"] += met
            found["idle_trace_reads"] += int(spikes.sum()) - met
            touched = touched | spikes
        traces[side] = traces[side] | spikes
    found["potential_updates"] += int(touched.sum())


def _convolution(found: Counter[str], op: ConvSynapse, spikes: np.ndarray) -> None:
    """Every output position looks at its patch, (channels, H, W)."""
    out, each, rows, columns = op.weight.shape
    padded = np.pad(spikes, [(0, 0), *((p, p) for p in op.padding)])
    for o in range(out):
        group = o // (out // op.groups)
        for y in range(op.shape[-2]):
            for x in range(op.shape[-1]):
                top, left = y * op.stride[0], x * op.stride[1]
                patch = padded[
                    group * each : (group + 1) * each,
                    top : top + rows * op.dilation[0] : op.dilation[0],
                    left : left + columns * op.dilation[1] : op.dilation[1],
                ]
                found["synaptic_operations"] += int((patch & (op.weight[o] != 0)).sum())
                found["potential_updates"] += int(patch.any())
