"""Programs of populations: phase neurons, max pooling, k winners, dynamic thresholds, residual streams, the readout."""

import numpy as np

from .program import Program, clip, rows_after, shift, threshold

OUT = -2  # below every message -1, 0, +1: a value that has dropped out of a race


class PhaseNeuron(Program):
    """Fires + at the first k with v >= pos_k and - with lo_k <= v <= hi_k; each threshold is shift(table_k * mantissa, n).

    Further spikes: for a linear function the level sent is subtracted from v, and the rest fires at v >= pos_k (+) or
    v <= -pos_k (-). For other functions ``schedule.after`` holds the thresholds, by the spikes sent so far and by step.
    """

    def setup(self):
        s = self.p
        self.kind, self.mantissa, self.n = (s[f"schedule.{name}"] for name in ("scale_class", "mantissa", "shift"))
        self.left = np.full(self.shape, int(s["spikes"]))
        self.row = np.zeros(self.shape, np.int64)
        if "schedule.after" in s:
            self.row_after = rows_after(s["schedule.prefixes"], int(s["schedule.steps"]))

    def table(self, name, k):
        """Thresholds ``name`` of all neurons at step k."""
        return threshold(self.p[f"schedule.{name}"][self.kind, k], self.mantissa, self.n)

    def step(self, t, messages):
        self.integrate(messages[0])
        k = t - self.start
        if not 0 <= k < int(self.p["schedule.steps"]):
            return None
        pos, lo, hi = (self.table(name, k) for name in ("pos", "lo", "hi"))
        # a threshold above or below zero in the table stays so, or rounding would let a silent neuron fire
        pos = np.where(self.p["schedule.pos"][self.kind, k] > 0, np.maximum(pos, 1), pos)
        hi = np.where(self.p["schedule.hi"][self.kind, k] < 0, np.minimum(hi, -1), hi)
        plus = self.v >= pos
        sign = plus.astype(int) - (~plus & (lo <= self.v) & (self.v <= hi))
        again = self.left < int(self.p["spikes"])
        if again.any():
            sign = np.where(again, self.rest(np.broadcast_to(pos, self.shape), k), sign)
        sign = sign * ((self.left > 0) & (~again | (k <= self.p.get("latest", k))))
        self.left = self.left - (sign != 0)
        if "schedule.after" in self.p:
            following = self.row_after[self.row, sign * (k + 1) + int(self.p["schedule.steps"])]
            self.row = np.where(sign != 0, following, self.row)
        elif int(self.p["spikes"]) > 1:
            self.v = self.v - sign * threshold(self.p["schedule.level"][k], self.mantissa, self.n)
        return sign if sign.any() else None

    def rest(self, pos, k):
        """Signs of further spikes at step k, of neurons that have already sent one."""
        if "schedule.after" not in self.p:
            return (self.v >= pos).astype(int) - (self.v <= -pos)
        after = self.p["schedule.after"]
        entries = after[np.broadcast_to(self.kind, self.shape), self.row, :, k]
        above, below, lo, hi = (threshold(entries[..., i], self.mantissa, self.n) for i in range(4))
        plus = (self.v >= above) | (self.v <= below)
        return plus.astype(int) - (~plus & (lo <= self.v) & (self.v <= hi))


class MaxPool(Program):
    """Sends on the spikes of the largest value of each neuron's field, one step later, by a race of the values.

    State: one bit for each value of the field, whether it is still in the race. In a step, + beats silence and silence
    beats -: the best message of those left is sent on, and values with a worse one drop out. Padding never takes part.
    """

    def setup(self):
        self.left, self.waiting = True, None

    def step(self, t, messages):
        sent, self.waiting = self.waiting, None
        if messages[0] is not None:
            said = np.where(self.left, self.field(messages[0]), OUT)
            best = said.max(0)
            self.left = said == best
            self.waiting = best if best.any() else None
        return sent

    def field(self, z):
        """Messages (1, channels, height, width) by field, (values of a field, *shape); OUT for padding."""
        kernel, strides, padding, dilation = (self.p[name] for name in ("kernel", "stride", "padding", "dilation"))
        reach = (np.array(self.shape[2:]) - 1) * strides + 1
        after = np.maximum(reach + (kernel - 1) * dilation - padding - z.shape[2:], 0)
        z = np.pad(z, [(0, 0), (0, 0), *zip(padding, after, strict=True)], constant_values=OUT)
        first = [np.array(tap) * dilation for tap in np.ndindex(*kernel)]
        cut = [[slice(a, a + n, s) for a, n, s in zip(begin, reach, strides, strict=True)] for begin in first]
        return np.stack([z[:, :, rows, columns] for rows, columns in cut])


class Winners(Program):
    """Fires + for the ``count`` largest values of each group, found by a race.

    State: two bits for each value, live and won. In each step the live values with the best message (+ before silence
    before -) win if there are places for all of them, then those with the next; where places are too few, the values
    with that message stay live and those below drop out. In the last step the first live values take the places left.
    """

    def setup(self):
        self.live, self.won = np.ones(self.shape, bool), np.zeros(self.shape, bool)

    def step(self, t, messages):
        left = int(self.p["count"]) - self.won.sum(-1, keepdims=True)
        if t == self.start:
            first = self.live & (np.cumsum(self.live, -1) <= left)
            return (self.won | first).astype(int)
        if messages[0] is not None:
            more = np.zeros(self.shape, int)  # number of live values with a better message
            same = np.zeros(self.shape, int)  # number of live values with a message as good or better
            for said in (1, 0, -1):
                as_much = (self.live & (messages[0] >= said)).sum(-1, keepdims=True)
                same = np.where(messages[0] == said, as_much, same)
                more = np.where(messages[0] == said - 1, as_much, more)
            self.won = self.won | (self.live & (same < left))
            self.live = self.live & (same >= left) & (more < left)
        return None


class DynamicThreshold(Program):
    """Divides by moving the threshold: fires in the sign of v at the first k with |v| >= (table_k * S) >> n, or, for
    LayerNorm, with shift(c, m)^2 >= (table_k * (Qs + offset)) >> n. The row's own neuron integrates S or Qs beside v.

    Further spikes: having sent A, it fires in the same sign at the threshold of A + midpoint_k, else at A - midpoint_k.
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
            if self.squared:
                self.row = clip(self.row + e, self.bits)
            else:
                self.row = self.row + e.sum(-1, keepdims=True) * self.p["trace"][t - self.starts[1]]
        k = t - self.start
        if not 0 <= k < int(self.p["steps"]):
            return None
        drive = clip(shift(self.v, self.p["drive_shift"]), int(self.p["drive_bits"])) if self.squared else self.v
        size = drive**2 if self.squared else np.abs(drive)
        limit = self.row + (int(self.p["offset"]) if self.squared else 0)
        n = self.per_scale["shift"]
        fired = (size >= (self.table[..., k] * limit) >> n).astype(int)
        if (self.sent != 0).any():
            again = self.rest(size, limit, n, k) * (k <= self.p.get("latest", k))
            fired = np.where(self.sent != 0, again, fired)
        fired = fired * ((self.left > 0) & (drive != 0) & (limit > 0))
        self.left = self.left - (fired != 0)
        if int(self.p["spikes"]) > 1:
            self.sent = self.sent + fired * self.p["levels"][k]
        sign = np.sign(drive) * fired
        return sign if sign.any() else None

    def rest(self, size, limit, n, k):
        """Further spikes at step k: +1 in the sign of v, -1 in the other."""
        midpoint = self.p["midpoints"][k]
        level = [self.sent + z * midpoint for z in (1, -1)]
        power = [x * x if self.squared else x for x in level]
        above, below = ((((x * self.per_scale["gain"]) >> self.per_scale["gain_shift"]) * limit) >> n for x in power)
        plus = size >= above
        return plus.astype(int) - (~plus & (self.sent >= midpoint) & (size <= below))


class Residual(Program):
    """One compartment for each branch; at the window's start it sends clip(sum_b shift(m_b v_b, n_b) + bias)."""

    def setup(self):
        self.branches = [np.zeros(self.shape, np.int64) for _ in self.starts]

    def step(self, t, messages):
        for i, message in enumerate(messages):
            if message is not None:
                self.branches[i] = clip(self.branches[i] + message, self.bits)
        if t != self.start:
            return None
        total = sum(
            shift(m * v, n) for v, m, n in zip(self.branches, self.p["mantissas"], self.p["shifts"], strict=True)
        )
        return clip(total + self.p["bias"], self.bits)


class Centre(Program):
    """Subtracts the mean of a row, rounded toward zero, in the step in which x arrives: c = clip(x - sum x / n)."""

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
