"""Trace-driven products through time: the broadcast trace, local traces, and sparse spikes that read them."""

from __future__ import annotations

import numpy as np
import scipy.sparse

from processes.chips import INT32
from processes.fixed import saturate, shift_toward_zero
from processes.operation import Window
from processes.trace_product import SquareSum, TraceProduct

Spikes = np.ndarray | None
CURRENT_BITS = INT32


class TraceBroadcaster:
    """The global trace of each operand's window: p_k in its step k and 0 outside, as an array (operands,).

    traces (operands, T).
    """

    def __init__(self, traces: np.ndarray, windows: list[Window]) -> None:
        self.traces, self.windows = traces, windows

    def reset(self) -> None:
        """Stateless: the clock is the step."""

    def step(self, t: int, messages: list[Spikes]) -> np.ndarray | None:
        """p_k per operand, or None where no window is open."""
        if not any(w.start <= t < w.stop for w in self.windows):
            return None
        pairs = zip(self.traces, self.windows, strict=True)
        values = [trace[t - w.start] if w.start <= t < w.stop else 0 for trace, w in pairs]
        return np.array(values, self.traces.dtype)


class ProductStepper:
    """Holds r_a and r_b (leading axes flattened) and adds what each step's spikes contribute.

    The trace may come as a third message, from a TraceBroadcaster of its own; otherwise it keeps one.
    """

    def __init__(self, op: TraceProduct, window: Window, sources: list[Window]) -> None:
        self.op, self.window = op, window
        self.message = np.int64 if op.state_bits else np.float64
        self.bias = np.broadcast_to(op.bias, op.shape).astype(self.message) if op.bias.any() else None
        self.broadcaster = TraceBroadcaster(op.traces, sources)
        self.reset()

    def reset(self) -> None:
        """Traces to zero: they take the shape of the first spikes that come."""
        self.held: list[np.ndarray | None] = [None, None]

    def step(self, t: int, messages: list[Spikes]) -> np.ndarray | None:
        """Currents (*shape), or None. (r_a + da)(r_b + db) - r_a r_b = da (r_b + db) + r_a db."""
        p = messages[2] if len(messages) > 2 else self.broadcaster.step(t, [])
        da, db = (self._traced(m, p, i) for i, m in enumerate(messages[:2]))
        a, b = self.held
        current = None
        if db is not None:
            if a is not None:
                current = self._product(a, db)
            self.held[1] = b = db if b is None else b + db
        if da is not None:
            if b is not None:
                added = self._product(da, b)
                current = added if current is None else current + added
            self.held[0] = da if a is None else a + da
        if current is not None:
            current = _current(current.reshape(self.op.shape), self.op.state_bits)
        if t == self.window.start and self.bias is not None:
            current = self.bias if current is None else self.bias + current
        return current

    def _traced(self, spikes: Spikes, p: np.ndarray | None, operand: int) -> np.ndarray | None:
        """This step's copies of the global trace, (lead, rows, columns of the sum)."""
        if spikes is None or p is None:
            return None
        if operand == 1 and not self.op.transpose_b:
            spikes = spikes.swapaxes(-1, -2)
        return spikes.reshape(-1, *spikes.shape[-2:]) * p[operand].astype(
            np.float64
        )  # sums of integers are exact below 2^53

    def _product(self, a: np.ndarray, b: np.ndarray) -> np.ndarray:
        """a b^T for each leading index, through whichever side is this step's sparse spikes."""
        sparse_left = np.count_nonzero(a) <= np.count_nonzero(b)
        left, right = (a, b) if sparse_left else (b, a)
        outs = [scipy.sparse.csr_matrix(x) @ y.T for x, y in zip(left, right, strict=True)]
        return np.stack([o if sparse_left else o.T for o in outs])


class SquareStepper:
    """One local trace per feature; each spike adds its own share of the square."""

    def __init__(self, op: SquareSum, window: Window) -> None:
        self.op, self.start = op, window.start
        self.message = np.int64 if op.state_bits else np.float64
        self.reset()

    def reset(self) -> None:
        """Traces to zero."""
        self.held: np.ndarray | None = None

    def step(self, t: int, messages: list[Spikes]) -> np.ndarray | None:
        """Sums (*shape) of this step's shares, or None."""
        spikes = messages[0]
        if spikes is None:
            return None
        if self.held is None:
            self.held = np.zeros(spikes.shape, self.message)
        value = spikes.astype(self.message) * self.op.trace[t - self.start].astype(self.message)
        share = value * (value + 2 * self.held)
        self.held += value
        share = shift_toward_zero(share, self.op.shift) if self.op.state_bits else share * self.op.weight
        return _current(share.sum(-1, keepdims=True), self.op.state_bits)


def _current(values: np.ndarray, state_bits: int) -> np.ndarray:
    """As a message: no wider than CURRENT_BITS, beyond which any potential saturates all the same."""
    return saturate(values.astype(np.int64), CURRENT_BITS) if state_bits else values
