"""docs/nir_operations.md in plain numpy, step by step, for fixed-point files: written from that page alone.

Spikes are arrays (T, N, *shape) of -1, 0 and 1, potentials (N, *shape) of int64. Nothing of the package is imported.
"""

from __future__ import annotations

import json
import math
from typing import Any

import nir
import numpy as np

Array = np.ndarray
ENDLESS = (2**31 - 1, -(2**31))


def run(graph: nir.NIRGraph, x: Array) -> dict[str, Array]:
    """What every node puts out, by name, for inputs (N, *input) in real units."""
    assert int(graph.metadata["format"]) == 2
    real = x.astype(np.float64).reshape(len(x), *graph.nodes["input"].input_type["input"])
    seen: dict[str, Array] = {"input": np.rint(real / float(graph.metadata["input_unit"])).astype(np.int64)}
    for name in sorted(graph.nodes):
        if name in ("input", "output"):
            continue
        node = graph.nodes[name]
        m: dict[str, Any] = dict(node.metadata)
        operands = [seen[source] for source in text(m["operands"]).split()]
        operation = OPERATIONS[text(m["op"])]
        seen[name] = operation(node, m, *operands) if operation in (dense, conv) else operation(m, *operands)
    return seen


def text(value: Any) -> str:
    return (
        value.decode() if isinstance(value, bytes) else str(np.asarray(value).item() if np.ndim(value) == 0 else value)
    )


def sat(x: Array, bits: Any) -> Array:
    limit = 2 ** (int(bits) - 1) - 1
    return np.clip(x, -limit, limit)


def cut(x: Array, n: Any) -> Array:
    n = np.asarray(n, np.int64)
    return np.sign(x) * (np.abs(x) >> np.maximum(n, 0)) << np.maximum(-n, 0)


def integrate(m: dict[str, Any], z: Array, linear: Any, bias: Array) -> Array:
    v = None
    for k, p in enumerate(np.asarray(m["trace"], np.int64)):
        current = p * linear(z[k])
        v = sat(current + bias if v is None else v + current, m["state_bits"])
    assert v is not None
    return v


def dense(node: Any, m: dict[str, Any], z: Array) -> Array:
    weight = node.weight.astype(np.int64)
    return integrate(m, z, lambda s: s @ weight.T, node.bias.astype(np.int64))


def conv(node: Any, m: dict[str, Any], z: Array) -> Array:
    weight, (sy, sx), (py, px), (dy, dx) = node.weight.astype(np.int64), *(pair(getattr(node, f)) for f in GEOMETRY)
    groups, (outs, ins, height, width) = int(node.groups), weight.shape

    def linear(s: Array) -> Array:
        padded = np.pad(s, [(0, 0)] * 3 + [(py, py), (px, px)])
        rows = (padded.shape[-2] - dy * (height - 1) - 1) // sy + 1
        columns = (padded.shape[-1] - dx * (width - 1) - 1) // sx + 1
        y = np.zeros((*s.shape[:2], outs, rows, columns), np.int64)
        for o, i, a, b in np.ndindex(weight.shape):
            c = o // (outs // groups) * ins + i
            y[:, :, o] += weight[o, i, a, b] * padded[:, :, c, a * dy :: sy, b * dx :: sx][..., :rows, :columns]
        return y

    return integrate(m, z, linear, node.bias.astype(np.int64).reshape(-1, 1, 1))


GEOMETRY = ("stride", "padding", "dilation")


def pair(value: Any) -> tuple[int, int]:
    found = np.broadcast_to(np.asarray(value, int).ravel(), 2)
    return int(found[0]), int(found[1])


def scale(m: dict[str, Any], z: Array) -> Array:
    axes = tuple(int(a) + 1 for a in np.atleast_1d(m["pool"])) if "pool" in m else ()
    weight = np.asarray(m["weight"], np.int64)
    return integrate(m, z, lambda s: (s * weight).sum(axes, keepdims=True) if axes else s * weight,
                     np.asarray(m["bias"], np.int64))  # fmt: skip


def until(m: dict[str, Any], fired: Array, k: int) -> Array:
    """1 where a neuron may fire at k as far as `latest` is concerned."""
    return (
        np.where(fired & (k > np.asarray(m["latest"], np.int64)), 0, 1)
        if "latest" in m
        else np.ones(fired.shape, np.int64)
    )


def phase_neuron(m: dict[str, Any], v: Array) -> Array:
    s, most = m["schedule"], int(m["spikes"])
    function, steps = text(s["function"]), int(s["steps"])
    mantissa, shift, c = (np.asarray(s[f], np.int64) for f in ("mantissa", "shift", "scale_class"))

    def scaled(entry: Array) -> Array:
        return np.where(np.isin(entry, ENDLESS), entry, cut(entry * mantissa, shift))

    tables = {f: np.asarray(s[f], np.int64) for f in ("pos", "lo", "hi")}
    v, left = v.astype(np.int64), np.full(v.shape, most)
    row, z = np.zeros(v.shape, np.int64), np.zeros((steps, *v.shape), np.int64)
    following = table_rows(s["prefixes"], steps) if "prefixes" in s else np.zeros((1, 2 * steps + 1), int)
    for k in range(steps):
        pos, lo, hi = (scaled(tables[f][c, k]) for f in ("pos", "lo", "hi"))
        pos = np.where(tables["pos"][c, k] > 0, np.maximum(pos, 1), pos)
        hi = np.where(tables["hi"][c, k] < 0, np.minimum(hi, -1), hi)
        sign = np.where(v >= pos, 1, np.where((lo <= v) & (v <= hi), -1, 0))
        if function in ("identity", "relu"):
            sign = np.where(left == most, sign, np.where(v >= pos, 1, np.where(v <= -pos, -1, 0)))
        elif most > 1:
            rows = np.asarray(s["after"], np.int64)[np.broadcast_to(c, v.shape), row, :, k]
            above, below, low, high = (scaled(rows[..., i]) for i in range(4))
            again = np.where((v >= above) | (v <= below), 1, np.where((low <= v) & (v <= high), -1, 0))
            sign = np.where(left == most, sign, again)
        sign *= (left > 0) * until(m, left < most, k)
        z[k], left = sign, left - (sign != 0)
        row = np.where(sign != 0, following[row, sign * (k + 1) + steps], row)
        if function in ("identity", "relu"):
            v = v - sign * scaled(np.asarray(s["level"], np.int64)[k])
    return z


def table_rows(prefixes: Any, steps: int) -> Array:
    """The row after a code -T .. T in a row: that of all that was sent, or 0."""
    prefixes = [tuple(code for code in prefix if code) for prefix in np.asarray(prefixes).tolist()]
    table = np.zeros((len(prefixes), 2 * steps + 1), int)
    for row, sent in enumerate(prefixes):
        if sent and sent[:-1] in prefixes:
            table[prefixes.index(sent[:-1]), sent[-1] + steps] = row
    return table


def max_pool(m: dict[str, Any], z: Array) -> Array:
    (high, wide), (sy, sx), (py, px), (dy, dx) = (pair(m[f]) for f in ("kernel", *GEOMETRY))
    sent = np.zeros((*z.shape[:2], *(int(n) for n in m["shape"])), np.int64)
    for y, x in np.ndindex(sent.shape[-2:]):
        places = [(y * sy - py + i * dy, x * sx - px + j * dx) for i in range(high) for j in range(wide)]
        inside = [(r, c) for r, c in places if 0 <= r < z.shape[-2] and 0 <= c < z.shape[-1]]
        field = np.stack([z[..., r, c] for r, c in inside])
        live = np.ones(field[:, 0].shape, bool)
        for k in range(len(z)):
            sent[k, ..., y, x] = np.where(live, field[:, k], -2).max(0)
            live &= field[:, k] >= sent[k, ..., y, x]
    return sent


def winners(m: dict[str, Any], z: Array) -> Array:
    won, live = np.zeros(z.shape[1:], bool), np.ones(z.shape[1:], bool)
    count = int(m["count"])
    for signs in z:
        for group in np.ndindex(z.shape[1:-1]):
            places = count - won[group].sum()
            for said in (1, 0, -1):
                alike = live[group] & (signs[group] == said)
                if alike.sum() >= places:
                    live[group] = alike
                    break
                won[group] |= alike
                live[group] &= ~alike
                places -= alike.sum()
    first = live & (np.cumsum(live, -1) <= count - won.sum(-1, keepdims=True))
    return (won | first)[None].astype(np.int64)


def trace_product(m: dict[str, Any], a: Array, b: Array) -> Array:
    b = b if bool(m["transpose_b"]) else b.swapaxes(-1, -2)
    traces, delay = np.asarray(m["traces"], np.int64), int(m["delay"])
    bias, begin = np.asarray(m["bias"], np.int64), max(0, delay)
    held_a, held_b = np.zeros(a.shape[1:], np.int64), np.zeros(b.shape[1:], np.int64)
    v = None
    for t in range(min(0, delay), max(len(a), len(b) + delay)):
        new_a = traces[0, t] * a[t] if 0 <= t < len(a) else 0 * held_a
        new_b = traces[1, t - delay] * b[t - delay] if 0 <= t - delay < len(b) else 0 * held_b
        added = sum(p @ q.swapaxes(-1, -2) for p, q in ((new_a, held_b), (held_a, new_b), (new_a, new_b)))
        v = sat((0 if v is None else v) + added + (bias if t == begin else 0), m["state_bits"])
        held_a, held_b = held_a + new_a, held_b + new_b
    assert v is not None
    return v


def elementwise_product(m: dict[str, Any], a: Array, b: Array) -> Array:
    """Decoded integers, neuron by neuron."""
    traces = np.asarray(m["traces"], np.int64)
    one, other = (np.tensordot(trace[: len(z)], z, 1) for trace, z in zip(traces, (a, b), strict=True))
    return one * other


def square_sum(m: dict[str, Any], z: Array) -> Array:
    held, v = np.zeros(z.shape[1:], np.int64), np.zeros((*z.shape[1:-1], 1), np.int64)
    sum_, fraction = v, int(m.get("fraction_bits", 0))
    for k, p in enumerate(np.asarray(m["trace"], np.int64)):
        share = cut(((z[k] * p) ** 2 + 2 * z[k] * p * held) * 2**fraction, m["shift"])
        before, sum_ = sum_, sum_ + share.sum(-1, keepdims=True)
        v, held = sat(v + sum_ // 2**fraction - before // 2**fraction, m["state_bits"]), held + z[k] * p
    return v


def takes_part(m: dict[str, Any], v: Array, keys: Array | None) -> Array:
    allowed = np.asarray(m.get("allowed", True), bool)
    return np.broadcast_to(allowed if keys is None else allowed & (keys != 0), v.shape)


def by_head(table: Any, shape: tuple[int, ...]) -> Array:
    """(heads or 1, ...) for potentials of ``shape``: heads are the third-last axis."""
    table = np.asarray(table, np.int64)
    return np.broadcast_to(table.reshape(len(table), 1, 1, *table.shape[1:]), (*shape[-3:], *table.shape[1:]))


def woss(m: dict[str, Any], v: Array, keys: Array | None = None) -> Array:
    part = takes_part(m, v, keys)
    gap = np.where(part, v, np.iinfo(np.int64).min // 2).max(-1, keepdims=True) - v
    ramp, steps = by_head(m["ramp"], v.shape), int(m["steps"])
    z, silent, row = np.zeros((steps, *v.shape), np.int64), np.ones(v.shape, bool), np.zeros(v.shape, np.int64)
    following = table_rows(m["prefixes"], steps) if "prefixes" in m else np.zeros((1, 2 * steps + 1), int)
    for k in range(steps):
        z[k] = part & silent & (gap <= ramp[..., k])
        silent &= z[k] == 0
        if "after" in m:
            table = np.broadcast_to(by_head(np.asarray(m["after"])[..., k], v.shape), (*v.shape, len(following), 2))
            plus, minus = np.moveaxis(np.take_along_axis(table, row[..., None, None], -2)[..., 0, :], -1, 0)
            again = np.where(gap <= plus, 1, np.where(gap >= minus, -1, 0))
            z[k] = np.where(row > 0, again * until(m, row > 0, k), z[k])
        row = np.where(z[k] != 0, following[row, z[k] + np.sign(z[k]) * k + steps], row)
    return z


def dynamic_threshold(m: dict[str, Any], v: Array, other: Array) -> Array:
    squared, most, steps = bool(m["squared"]), int(m["spikes"]), int(m["steps"])
    shape = np.shape(m["scale"])
    table = np.asarray(m["table"], object).reshape(*shape, steps)
    shift = np.asarray(m["shift"], object).reshape(shape)
    if squared:
        factor = other + int(m["offset"])
        drive = sat(cut(v, m["drive_shift"]), m["drive_bits"])
    else:
        factor = (np.asarray(m["trace"], np.int64).reshape(-1, *[1] * (other.ndim - 1)) * other).sum((0, -1))[..., None]
        drive = v
    factor, reach = factor.astype(object), (drive**2 if squared else np.abs(drive)).astype(object)
    z, sent = np.zeros((steps, *v.shape), np.int64), np.zeros(v.shape, np.int64).astype(object)
    left = np.where((drive != 0) & (factor > 0), most, 0)
    for k in range(steps):
        fired = np.where(reach >= (table[..., k] * factor) >> shift, 1, 0)
        if most > 1:
            gain, gain_shift = (np.asarray(m[f], object).reshape(shape) for f in ("gain", "gain_shift"))
            middle = int(m["midpoints"][k])

            def limit(a: Array, gain: Array = gain, gain_shift: Array = gain_shift) -> Array:
                return ((((a * a if squared else a) * gain) >> gain_shift) * factor) >> shift

            other_sign = (sent >= middle) & (reach <= limit(sent - middle))
            again = np.where(reach >= limit(sent + middle), 1, np.where(other_sign, -1, 0))
            fired = np.where(left == most, fired, again)
        fired = np.where(left > 0, fired, 0) * until(m, left < most, k)
        left = left - (fired != 0)
        sent = sent + fired * int(m["levels"][k]) if most > 1 else sent
        z[k] = np.sign(drive) * fired
    return z


def residual(m: dict[str, Any], *operands: Array) -> Array:
    mantissas, shifts = (np.asarray(m[key], np.int64) for key in ("mantissas", "shifts"))
    total = sum(cut(v.astype(np.int64) * a, n) for v, a, n in zip(operands, mantissas, shifts, strict=True))
    return sat(total + np.asarray(m["bias"], np.int64), m["state_bits"])


def centre(m: dict[str, Any], x: Array) -> Array:
    total = x.sum(-1, keepdims=True)
    return sat(x - np.sign(total) * (np.abs(total) // x.shape[-1]), m["state_bits"])


def route(m: dict[str, Any], x: Array) -> Array:
    lead = 2 if text(m["carries"]) == "spikes" else 1
    for kind, argument in json.loads(text(m["steps"])):
        front = x.shape[:lead]
        if kind == "reshape":
            x = x.reshape(*front, *argument)
        elif kind == "permute":
            x = x.transpose(*range(lead), *(a + lead for a in argument))
        elif kind == "slice":
            axis, start, stop, stride = argument
            x = x[(slice(None),) * (lead + axis) + (slice(start, stop, stride),)]
        elif kind == "pad":
            pads = [(argument[i], argument[i + 1]) for i in range(0, len(argument), 2)]
            x = np.pad(x, [(0, 0)] * (x.ndim - len(pads)) + pads[::-1])
        elif kind == "roll":
            x = np.roll(x, argument[0], [a + lead for a in argument[1]])
        elif kind == "expand":
            x = np.broadcast_to(x, (*front, *argument))
        else:
            axis, indices = argument
            x = np.take(x, indices, lead + axis)
    return x


def spelled(m: dict[str, Any], z: Array) -> Array:
    output, digits = np.asarray(m["output"], np.int64), int(m["digits"])
    behind = sum((z[j].astype(np.int64) << (digits - 1 - j) for j in range(digits)), np.zeros(z.shape[1:], np.int64))
    total = sum(output[behind % len(output), t] * z[digits + t] for t in range(output.shape[1]))
    return np.maximum(total, 0) >> np.minimum(behind // len(output), 62)


def si_exp(m: dict[str, Any], v: Array, keys: Array | None = None) -> Array:
    part = takes_part(m, v, keys)
    threshold, reset = by_head(m["threshold"], v.shape), by_head(m["reset"], v.shape)
    clock = by_head(m["clock"], v.shape) if "clock" in m else np.zeros((1, 0), np.int64)
    x = v - np.where(part, v, np.iinfo(np.int64).min // 2).max(-1, keepdims=True) if "clock" in m else v
    spikes = []
    for j in range(clock.shape[-1]):
        spikes.append(part & (x + clock[..., j] <= by_head(m["half"], v.shape)))
        x = x + spikes[-1] * clock[..., j]
    if spikes:
        part = part & (x >= -2 * by_head(m["half"], v.shape))
    for t in range(threshold.shape[-1]):
        spikes.append(part & (x >= threshold[..., t]))
        x = x - spikes[-1] * reset[..., t]
    return np.stack(spikes).astype(np.int64)


def si_norm(m: dict[str, Any], z: Array) -> Array:
    w, steps, digits = spelled(m, z), int(m["steps"]), text(m["form"]) == "digits"
    total = w.sum(-1, keepdims=True)
    start = cut(total, steps if digits else steps.bit_length()) if bool(m["rounded"]) else 0 * total
    lift = -round(math.log2(float(np.ravel(m["scale"])[0])))
    u, spikes = (w << lift) + start if digits else 0 * w + steps * start, []
    for k in range(steps):
        u = 2 * u if digits and k else u if digits else u + w
        spikes.append((u >= total) & (total > 0))
        u = u - spikes[-1] * total
    return np.stack(spikes).astype(np.int64)


def si_neuron(m: dict[str, Any], v: Array) -> Array:
    output, unit = np.asarray(m["output"]), np.shape(m["unit"])
    shape = unit if len(m["threshold"]) > 1 else (1,) * len(unit)
    threshold, reset = (np.asarray(m[f], np.int64).T.reshape(-1, *shape) for f in ("threshold", "reset"))
    spikes = []
    for t, d in enumerate(output):
        fired = v >= threshold[t]
        v = v - fired * reset[t]
        spikes.append(np.where(fired, -1 if d < 0 else 1, 0))
    return np.stack(spikes)


def readout(m: dict[str, Any], v: Array) -> Array:
    return v


OPERATIONS = {
    "dense": dense, "conv2d": conv, "scale": scale, "phase_neuron": phase_neuron, "trace_product": trace_product,
    "square_sum": square_sum, "elementwise_product": elementwise_product,
    "woss": woss, "dynamic_threshold": dynamic_threshold, "residual": residual, "centre": centre,
    "route": route, "readout": readout, "si_exp": si_exp, "si_norm": si_norm, "si_neuron": si_neuron,
    "max_pool": max_pool, "winners": winners,
}  # fmt: skip
