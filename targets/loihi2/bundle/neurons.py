"""What every neuron and synapse of this network computes at a time step: integers only, additions, products and shifts.

This file is the specification for microcode: each class is a program, its attributes are the neuron's state and parameters,
and ``step`` is one time step, written for all neurons of a population at once. It needs numpy and nothing else. Numbers
come from ``parameters/*.npz``. A message is an array, or None for silence; spikes are -1, 0 or +1, all else are integers.

    shift(x, n)     x / 2^n with the fraction dropped, toward zero; to the left if n < 0
    clip(x, n)      x limited to n signed bits, +-(2^(n-1) - 1)

``t`` is the step of the sample, ``k = t - start`` that of the population's own window, in which alone it fires.
"""

import numpy as np

NEVER, ALWAYS = 2**31 - 1, -(2**31)  # thresholds that no potential, and every potential, reaches


def shift(x, n):
    """To the right toward zero, or to the left."""
    n = np.asarray(n)
    return np.sign(x) * ((np.abs(x) >> np.maximum(n, 0)) << np.maximum(-n, 0))


def clip(x, n):
    """Saturation at n signed bits; n = 0 is none."""
    limit = 2 ** (n - 1) - 1 if n else np.iinfo(np.int64).max
    return np.clip(x, -limit, limit)


def threshold(entry, mantissa, n):
    """A neuron's threshold from a table that many share: shift(entry * mantissa, n); endless entries stay endless."""
    endless = (entry >= NEVER) | (entry <= ALWAYS)
    return np.where(endless, entry, shift(np.where(endless, 0, entry) * mantissa, n))


class Program:
    """A population or its synapses: ``p`` parameters, ``start`` of its window, ``starts`` of its operands' windows."""

    def __init__(self, p, shape, start, starts):
        self.p, self.shape, self.start, self.starts = p, shape, start, starts
        self.bits = int(p.get("state_bits", 0))
        self.v = np.zeros(shape, np.int64)
        self.setup()

    def setup(self):
        """More state."""

    def integrate(self, message):
        """v <- clip(v + message)."""
        if message is not None:
            self.v = clip(self.v + message, self.bits)


class Dense(Program):
    """current_i = trace_k * sum_j w_ij z_j; the bias comes with the first step."""

    def step(self, t, messages):
        k, z = t - self.start, messages[0]
        current = None if z is None else self.weigh(z) * self.p["trace"][k]
        if k == 0:
            current = np.broadcast_to(self.bias(), self.shape) + (0 if current is None else current)
        return current

    def weigh(self, z):
        return z @ self.p["weight"].T

    def bias(self):
        return self.p["bias"]


class Conv2d(Dense):
    """The same over a kernel's positions."""

    def weigh(self, z):
        weight, groups = self.p["weight"], int(self.p["groups"])
        (sy, sx), (py, px), (dy, dx) = (self.p[name] for name in ("stride", "padding", "dilation"))
        z = np.pad(z[0], [(0, 0), (py, py), (px, px)])
        out = np.zeros(self.shape, np.int64)
        _, channels, rows, columns = self.shape
        for g in range(groups):
            ins, outs = weight.shape[1], channels // groups
            for i, j in np.ndindex(*weight.shape[2:]):
                seen = z[g * ins : (g + 1) * ins, i * dy :: sy, j * dx :: sx][:, :rows, :columns]
                w = weight[g * outs : (g + 1) * outs, :, i, j]
                out[0, g * outs : (g + 1) * outs] += np.tensordot(w, seen, 1)
        return out

    def bias(self):
        return self.p["bias"].reshape(-1, 1, 1)


class Scale(Dense):
    """One synapse for each neuron, or a sum over pooled axes."""

    def weigh(self, z):
        pool = tuple(int(axis) for axis in np.atleast_1d(self.p.get("pool", ())))
        weighed = self.p["weight"] * z
        return weighed.sum(pool, keepdims=True) if pool else weighed


class Route(Program):
    """Wiring: value i of the output is value index[i] of the input, 0 where the index is -1."""

    def step(self, t, messages):
        if messages[0] is None:
            return None
        values = np.append(messages[0].reshape(-1), 0)
        return values[self.p["index"]].reshape(self.shape)


class TraceProduct(Program):
    """r_a, r_b hold the trace that went round when a neuron spiked; a spike reads the other side's:
    current = sum_d [da r_b + r_a db + da db] with da, db this step's copies of the trace."""

    def setup(self):
        self.held = [None, None]

    def step(self, t, messages):
        copies = []
        for i, z in enumerate(messages):
            if z is not None and i == 1 and not self.p["transpose_b"]:
                z = z.swapaxes(-1, -2)
            copies.append(None if z is None else z.astype(np.int64) * self.p["traces"][i][t - self.starts[i]])
        current = None
        a, b = self.held
        for da, db, other in ((copies[0], None, b), (None, copies[1], a)):
            if (da if db is None else db) is not None and other is not None:
                added = self.product(da if db is None else other, other if db is None else db)
                current = added if current is None else current + added
        if copies[0] is not None and copies[1] is not None:
            both = self.product(copies[0], copies[1])
            current = both if current is None else current + both
        self.held = [c if h is None else h if c is None else h + c for h, c in zip(self.held, copies, strict=True)]
        if t == self.start and self.p["bias"].any():
            current = np.broadcast_to(self.p["bias"], self.shape) + (0 if current is None else current)
        return current

    def product(self, a, b):
        return np.matmul(a, b.swapaxes(-1, -2)).reshape(self.shape)


class SquareSum(Program):
    """A spike adds shift(d (d + 2 r), n): d this step's copy of the trace, r the neuron's own trace so far."""

    def setup(self):
        self.held = 0

    def step(self, t, messages):
        if messages[0] is None:
            return None
        d = messages[0].astype(np.int64) * self.p["trace"][t - self.start]
        share = shift(d * (d + 2 * self.held), self.p["shift"])
        self.held = self.held + d
        return share.sum(-1, keepdims=True)


class PhaseNeuron(Program):
    """Fires + at the first k with v >= pos_k and - with lo_k <= v <= hi_k; each threshold is shift(table_k * mantissa, n).

    With several spikes of a linear function v loses what was sent, and what is left fires against +-pos_k. Otherwise the
    thresholds that follow stand in a table by the first spike.
    """

    def setup(self):
        s = self.p
        self.kind, self.mantissa, self.n = (s[f"schedule.{name}"] for name in ("scale_class", "mantissa", "shift"))
        self.left = np.full(self.shape, int(s["spikes"]))
        self.first = np.zeros(self.shape, np.int64)

    def table(self, name, k):
        return threshold(self.p[f"schedule.{name}"][self.kind, k], self.mantissa, self.n)

    def step(self, t, messages):
        self.integrate(messages[0])
        k = t - self.start
        if not 0 <= k < int(self.p["schedule.steps"]):
            return None
        pos, lo, hi = (self.table(name, k) for name in ("pos", "lo", "hi"))
        if self.p["schedule.function"] not in ("sigmoid", "exp"):  # zero stays silent
            pos, hi = np.maximum(pos, 1), np.minimum(hi, -1)
        plus = self.v >= pos
        sign = plus.astype(int) - (~plus & (lo <= self.v) & (self.v <= hi))
        again = self.left < int(self.p["spikes"])
        if again.any():
            sign = np.where(again, self.rest(np.broadcast_to(pos, self.shape), k), sign)
        sign = sign * (self.left > 0)
        self.left = self.left - (sign != 0)
        if "schedule.after" in self.p:
            self.first = np.where(self.first == 0, sign * (k + 1), self.first)
        elif int(self.p["spikes"]) > 1:
            self.v = self.v - sign * threshold(self.p["schedule.level"][k], self.mantissa, self.n)
        return sign if sign.any() else None

    def rest(self, pos, k):
        if "schedule.after" not in self.p:
            return (self.v >= pos).astype(int) - (self.v <= -pos)
        after = self.p["schedule.after"]
        entries = after[np.broadcast_to(self.kind, self.shape), self.first + after.shape[1] // 2, :, k]
        above, below, lo, hi = (threshold(entries[..., i], self.mantissa, self.n) for i in range(4))
        plus = (self.v >= above) | (self.v <= below)
        return plus.astype(int) - (~plus & (lo <= self.v) & (self.v <= hi))


class DynamicThreshold(Program):
    """Divides by moving the threshold: fires in the sign of v at the first k with |v| >= (table_k * S) >> n, or, for
    LayerNorm, with shift(c, m)^2 >= (table_k * (Qs + offset)) >> n. S and Qs are the row's own neuron, integrated beside v.

    A second spike compares with the thresholds of what was sent +- a midpoint.
    """

    def setup(self):
        self.row = np.zeros((*self.shape[:-1], 1), np.int64)
        self.left = np.full(self.shape, int(self.p["spikes"]))
        self.sent = np.zeros(self.shape, np.int64)
        self.squared, scale = bool(self.p["squared"]), self.p["scale"].shape
        self.per_scale = {
            name: self.p[name].reshape(scale) for name in ("shift", "gain", "gain_shift") if name in self.p
        }
        self.table = self.p["table"].reshape(*scale, -1)

    def step(self, t, messages):
        self.integrate(messages[0])
        if messages[1] is not None:
            e = messages[1]
            self.row = self.row + (
                e if self.squared else e.sum(-1, keepdims=True) * self.p["trace"][t - self.starts[1]]
            )
        k = t - self.start
        if not 0 <= k < int(self.p["steps"]):
            return None
        drive = clip(shift(self.v, self.p["drive_shift"]), int(self.p["drive_bits"])) if self.squared else self.v
        size = drive**2 if self.squared else np.abs(drive)
        limit = self.row + (int(self.p["offset"]) if self.squared else 0)
        n = self.per_scale["shift"]
        fired = (size >= (self.table[..., k] * limit) >> n).astype(int)
        if (self.sent != 0).any():
            fired = np.where(self.sent != 0, self.rest(size, limit, n, k), fired)
        fired = fired * ((self.left > 0) & (drive != 0) & (limit > 0))
        self.left = self.left - (fired != 0)
        if int(self.p["spikes"]) > 1:
            self.sent = self.sent + fired * self.p["levels"][k]
        sign = np.sign(drive) * fired
        return sign if sign.any() else None

    def rest(self, size, limit, n, k):
        midpoint = self.p["midpoints"][k]
        level = [self.sent + z * midpoint for z in (1, -1)]
        power = [x * x if self.squared else x for x in level]
        above, below = (
            (((x * self.per_scale["gain"]) >> self.per_scale["gain_shift"]) * limit) >> n for x in power
        )
        plus = size >= above
        return plus.astype(int) - (~plus & (self.sent >= midpoint) & (size <= below))


class Woss(Program):
    """Softmax as a race: after the row's neuron has found the largest v, fires at the first k with max - v <= ramp_k."""

    def setup(self):
        self.allowed = np.broadcast_to(self.p["mask"], self.shape)
        self.may = self.allowed.copy()
        self.ramp = self.p["ramp"].T.reshape(-1, *([len(self.p["ramp"])] if len(self.shape) > 2 else []), 1, 1)

    def step(self, t, messages):
        if len(messages) > 1 and messages[1] is not None:
            self.allowed = self.allowed & np.broadcast_to(messages[1] != 0, self.shape)
            self.may = self.allowed.copy()
        self.integrate(messages[0])
        k = t - self.start
        if not 0 <= k < int(self.p["steps"]):
            return None
        winner = np.where(self.allowed, self.v, np.iinfo(np.int64).min // 2).max(-1, keepdims=True)
        fired = self.may & (winner - self.v <= self.ramp[k])
        self.may &= ~fired
        return fired.astype(int) if fired.any() else None


class Residual(Program):
    """One compartment for each branch; at the window's start it sends clip(sum_b shift(v_b, n_b) + bias)."""

    def setup(self):
        self.branches = [np.zeros(self.shape, np.int64) for _ in self.starts]

    def step(self, t, messages):
        for i, message in enumerate(messages):
            if message is not None:
                self.branches[i] = clip(self.branches[i] + message, self.bits)
        if t != self.start:
            return None
        total = sum(shift(v, n) for v, n in zip(self.branches, self.p["shifts"], strict=True))
        return clip(total + self.p["bias"], self.bits)


class Centre(Program):
    """The row's neuron sends the mean back, cut toward zero: c = clip(x - sum x / n)."""

    def step(self, t, messages):
        x = messages[0]
        if x is None:
            return None
        total = x.sum(-1, keepdims=True)
        return clip(x - np.sign(total) * (np.abs(total) // x.shape[-1]), self.bits)


class Readout(Program):
    """Integrates; the host reads v at the window's start."""

    def step(self, t, messages):
        self.integrate(messages[0])
        return self.v if t == self.start else None


PROGRAMS = {
    "dense": Dense, "conv2d": Conv2d, "scale": Scale, "route": Route, "trace_product": TraceProduct,
    "square_sum": SquareSum, "phase_neuron": PhaseNeuron, "dynamic_threshold": DynamicThreshold, "woss": Woss,
    "residual": Residual, "centre": Centre, "readout": Readout,
}  # fmt: skip
