"""Programs of softmax, as a race (WOSS) or by SI-exp and SI-norm, and of other neurons with fitted steps."""

import numpy as np

from .program import Program, rows_after

LOWEST = np.iinfo(np.int64).min // 2  # below every potential


class Row(Program):
    """Neurons of a row that need its largest potential; ``allowed`` says which of them take part."""

    def setup(self):
        self.allowed = np.broadcast_to(self.p["mask"], self.shape)

    def listen(self, messages):
        """Take in the message of keys that take part, if there is one, and integrate the potentials."""
        if len(messages) > 1 and messages[1] is not None:
            self.allowed = self.allowed & np.broadcast_to(messages[1] != 0, self.shape)
        self.integrate(messages[0])

    def largest(self):
        """The largest potential of those that take part, which the row's own neuron sends to the row; (..., 1)."""
        return np.where(self.allowed, self.v, LOWEST).max(-1, keepdims=True)

    def by_step(self, name):
        """A table (heads or 1, steps) as (steps, heads or 1, 1, 1), or (steps, 1, 1) for samples without heads."""
        table = self.p[name].T
        return table.reshape(-1, *([table.shape[1]] if len(self.shape) > 2 else []), 1, 1)


class Woss(Row):
    """Once the row's neuron has found the largest v, fires at the first k with max - v <= ramp_k.

    Further spikes code the rest: + at max - v <= after_+, or - at max - v >= after_-, thresholds from a table by the
    spikes sent so far and by step.
    """

    def setup(self):
        super().setup()
        self.silent = np.ones(self.shape, bool)
        self.row = np.zeros(self.shape, np.int64)
        heads = np.arange(len(self.p["ramp"])).reshape(-1, 1, 1) if len(self.shape) > 2 else np.zeros(1, int)
        self.head = np.broadcast_to(heads, self.shape)
        self.ramp = self.by_step("ramp")
        if "after" in self.p:
            self.row_after = rows_after(self.p["prefixes"], int(self.p["steps"]))

    def step(self, t, messages):
        self.listen(messages)
        k = t - self.start
        if not 0 <= k < int(self.p["steps"]):
            return None
        gap = self.largest() - self.v
        fired = self.allowed & self.silent & (gap <= self.ramp[k])
        self.silent = self.silent & ~fired
        sign = fired.astype(int)
        if "after" in self.p:
            plus, minus = (self.p["after"][self.head, self.row, side, k] for side in (0, 1))
            further = np.where(gap <= plus, 1, np.where(gap >= minus, -1, 0))
            sign = np.where(self.row > 0, further * (k <= self.p.get("latest", k)), sign)
            following = self.row_after[self.row, sign * (k + 1) + int(self.p["steps"])]
            self.row = np.where(sign != 0, following, self.row)
        return sign if sign.any() else None


class SiExp(Row):
    """SI-exp: exponentials of x = v - max in two phases; without a clock, x = v and the first phase is left out.

    First the clock, which sends x in binary digits: fires at x + clock_j <= half, then x += clock_j. Then the fitted
    steps, unless x < -2 half: fires at x >= threshold_t, then x -= reset_t.
    """

    def setup(self):
        super().setup()
        self.clock = self.by_step("clock") if "clock" in self.p else np.zeros((0, 1))
        self.half = self.by_step_of(self.p["half"]) if "clock" in self.p else 0
        self.threshold, self.by = self.by_step("threshold"), self.by_step("reset")

    def by_step_of(self, values):
        """One value for each head, (heads or 1,), in a shape that broadcasts to a sample."""
        return values.reshape(-1, 1, 1) if len(self.shape) > 2 else values.reshape(-1, 1)

    def step(self, t, messages):
        self.listen(messages)
        k, digits = t - self.start, len(self.clock)
        if digits and k == -1:
            self.v = np.where(self.allowed, self.v - self.largest(), 0)
        if not 0 <= k < digits + len(self.threshold):
            return None
        if k < digits:
            fired = self.allowed & (self.v + self.clock[k] <= self.half)
            self.v = self.v + fired * self.clock[k]
        else:
            if digits and k == digits:
                self.allowed = self.allowed & (self.v >= -2 * self.half)
            fired = self.allowed & (self.v >= self.threshold[k - digits])
            self.v = self.v - fired * self.by[k - digits]
        return fired.astype(int) if fired.any() else None


class SiNorm(Program):
    """SI-norm: divides the value w of each SI-exp neuron by the sum V of its row.

    The clock's spikes count N (``behind``), the fitted ones add up ``heard`` = sum d_{N mod phases, t}, and
    w = heard >> (N div phases). Starting from v = w << lift + half a last digit, it fires at v >= V = sum_j w_j, then
    v -= V; v doubles between steps or, in form "train", starts without w and grows by w before each step.
    """

    def setup(self):
        self.behind = np.zeros(self.shape, np.int64)
        self.heard = np.zeros(self.shape, np.int64)

    def step(self, t, messages):
        if messages[0] is not None:
            self.hear(messages[0].astype(np.int64), t - self.starts[0])
        k = t - self.start
        if not 0 <= k < int(self.p["steps"]):
            return None
        if k == 0:
            self.begin()
        if self.p["form"] == "train":
            self.v = self.v + self.weight
        elif k > 0:
            self.v = self.v + self.v
        fired = (self.v >= self.total) & (self.total > 0)
        self.v = self.v - fired * self.total
        return fired.astype(int) if fired.any() else None

    def hear(self, spikes, k):
        """Take in the SI-exp neurons' spikes at step k of their window."""
        digits, output = int(self.p["digits"]), self.p["output"]
        if k < digits:
            self.behind = self.behind + (spikes << (digits - 1 - k))
        else:
            self.heard = self.heard + spikes * output[self.behind % len(output), k - digits]

    def begin(self):
        """At the window's start: w, V, and the initial v."""
        steps, train = int(self.p["steps"]), self.p["form"] == "train"
        self.weight = np.maximum(self.heard, 0) >> np.minimum(self.behind // len(self.p["output"]), 62)
        self.total = self.weight.sum(-1, keepdims=True)
        last = steps.bit_length() if train else steps
        half = self.total >> last if self.p["rounded"] else 0 * self.total
        self.v = half * steps + 0 * self.weight if train else (self.weight << int(self.p["lift"])) + half


class SiNeuron(Program):
    """Fitted steps of a single neuron: fires at v >= threshold_t with the step's sign, then v -= reset_t."""

    def step(self, t, messages):
        self.integrate(messages[0])
        k = t - self.start
        if not 0 <= k < len(self.p["sign"]):
            return None
        fired = self.v >= self.table("threshold", k)
        self.v = self.v - fired * self.table("reset", k)
        return fired * self.p["sign"][k] if fired.any() else None

    def table(self, name, k):
        """Column k of a table: one value for all neurons, or one for each, in the shape of ``unit``."""
        column = self.p[name][:, k]
        return column[0] if len(column) == 1 else column.reshape(self.p["unit"].shape)
