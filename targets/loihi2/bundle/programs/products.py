"""Programs of products of two populations' spikes, by local traces."""

import numpy as np

from .program import Program, shift


class TraceProduct(Program):
    """Matrix product: current = sum_d [da r_b + r_a db + da db], plus the bias in the window's first step.

    da, db are the copies of the global trace that neurons take when they spike in this step (0 without a spike); the
    local traces r_a, r_b are the sums of their earlier copies.
    """

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
        """a b^T, summed over the last axis of both, as (*shape)."""
        return np.matmul(a, b.swapaxes(-1, -2)).reshape(self.shape)


class ElementwiseProduct(Program):
    """Product value by value: current = da r_b + (r_a + da) db.

    da, db are this step's copies of the global trace, r_a, r_b the local traces, one pair for each neuron.
    """

    def setup(self):
        self.held = [0, 0]

    def step(self, t, messages):
        current = None
        for i, z in enumerate(messages):
            if z is not None:
                d = z.astype(np.int64) * self.p["traces"][i][t - self.starts[i]]
                current = d * self.held[1 - i] + (0 if current is None else current)
                self.held[i] = self.held[i] + d
        return current


class SquareSum(Program):
    """Sum of a row's squares: a spike adds shift(d (d + 2 r), n), d this step's copy of the trace, r the local trace.

    The sum has fraction_bits bits after the point; its whole part is sent, rounded down, and the fraction is kept.
    """

    def setup(self):
        self.held = self.rest = 0

    def step(self, t, messages):
        if messages[0] is None:
            return None
        d = messages[0].astype(np.int64) * self.p["trace"][t - self.start]
        fraction = self.p["fraction_bits"]
        share = shift(d * (d + 2 * self.held), self.p["shift"] - fraction)
        self.held = self.held + d
        total = share.sum(-1, keepdims=True) + self.rest
        self.rest = total - (total >> fraction << fraction)
        return total >> fraction
