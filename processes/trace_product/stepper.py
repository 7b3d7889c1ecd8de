"""Trace-driven products stepped through time: the broadcast trace, local traces, and the spikes that read them."""

from __future__ import annotations

import math

import numpy as np

from processes.chips import INT32
from processes.kernels.stepped import multiply, square
from processes.kernels.windows import multiply_all, square_all
from processes.operation import Window
from processes.sent import Currents, Operands, Sent, Stepwise, Total
from processes.trace_product import SquareSum, TraceProduct

Spikes = np.ndarray | None
CURRENT_LIMIT = 2 ** (INT32 - 1) - 1
"""The largest current that a message carries; beyond it any potential saturates all the same."""
NOTHING = np.zeros((0, 1, 1), np.int8)


class TraceBroadcaster:
    """Sends the global trace of each operand: p_k at step k of its window, 0 outside, as an array (operands,).

    Args:
        traces: p_k of each operand, (operands, longest T).
        windows: the window of each operand.
    """

    def __init__(self, traces: np.ndarray, windows: list[Window]) -> None:
        self.traces, self.windows = traces, windows

    def reset(self) -> None:
        """Do nothing: the trace depends on the step alone."""

    def step(self, t: int, messages: list[Spikes]) -> np.ndarray | None:
        """The trace of each operand at step ``t``, (operands,), or None if no window is open."""
        if not any(w.start <= t < w.stop for w in self.windows):
            return None
        pairs = zip(self.traces, self.windows, strict=True)
        values = [trace[t - w.start] if w.start <= t < w.stop else 0 for trace, w in pairs]
        return np.array(values, self.traces.dtype)


class ProductStepper:
    """Stepper of a :class:`~processes.trace_product.TraceProduct`; holds the local traces r_a and r_b.

    The global trace arrives as a third message if a :class:`TraceBroadcaster` runs as a node of its own; without one,
    the stepper takes it from its own broadcaster.
    """

    def __init__(self, op: TraceProduct, window: Window, sources: list[Window]) -> None:
        self.op, self.window = op, window
        self.message = np.int64 if op.state_bits else np.float64
        self.bias = np.broadcast_to(op.bias, op.shape).astype(self.message) if op.bias.any() else None
        self.broadcaster = TraceBroadcaster(op.traces, sources)
        self.limit = CURRENT_LIMIT if op.state_bits else None
        self.reset()

    def reset(self) -> None:
        """Drop the local traces; they are made anew, as zeros, with the first spikes of the next sample."""
        self.held: tuple[np.ndarray, np.ndarray] | None = None
        self.begun = [False, False]

    def step(self, t: int, messages: list[Spikes]) -> np.ndarray | None:
        """Currents (*shape) of step ``t``, or None; before both operands have spiked only the bias is sent."""
        a, b = messages[:2]
        current = None
        if a is not None or b is not None:
            self.begun = [self.begun[0] or a is not None, self.begun[1] or b is not None]
            p = messages[2] if len(messages) > 2 else self.broadcaster.step(t, [])
            assert p is not None  # a window is open
            added = self._multiply(_rows(a), _rows(b), p.astype(self.message))
            current = added if all(self.begun) else None
        if t == self.window.start and self.bias is not None:
            current = self.bias if current is None else self.bias + current
        return current

    def through(self, operands: Operands, stepwise: Stepwise) -> Sent | None:
        """Currents of the whole sample, as :meth:`step` sends them, integrated without storing one message per step."""
        a, b = operands
        if a is None or b is None:
            return stepwise()  # nothing but a bias
        begin = [] if self.bias is None else [self.window.start]
        steps = np.unique(np.concatenate([a.steps, b.steps, begin])).astype(np.int64)
        arrivals = np.full((len(steps), 2), -1)
        traces = np.zeros((len(steps), 2), self.message)
        for i, (sent, source) in enumerate(zip((a, b), self.broadcaster.windows, strict=True)):
            arrivals[np.searchsorted(steps, sent.steps), i] = np.arange(len(sent.steps))
            within = (source.start <= steps) & (steps < source.stop)
            traces[within, i] = self.broadcaster.traces[i][steps[within] - source.start]
        left, right = ((*s.events, *s.shape[-2:]) for s in (a, b))
        first = -1 if self.bias is None else int(np.searchsorted(steps, self.window.start))

        def integrated(limit: int | None) -> Total:
            v = np.zeros(self.op.shape, self.message)
            outs = v.reshape(-1, *v.shape[-2:])
            bias = outs[:0] if self.bias is None else self.bias.reshape(outs.shape)
            held_a, held_b = self._nothing_held(a.shape[-1], *outs.shape)
            across = self.op.transpose_b
            return v, multiply_all(
                left, right, arrivals, across, traces, held_a, held_b, self.limit, bias, first, outs, limit
            )

        return Currents(steps[-1], integrated, stepwise)

    def _nothing_held(self, features: int, lead: int, rows: int, columns: int) -> tuple[np.ndarray, np.ndarray]:
        """Local traces of zero: (lead, features, rows) of a and (lead, features, columns) of b."""
        return (
            np.zeros((lead, features, rows), self.message),
            np.zeros((lead, features, columns), self.message),
        )

    def _multiply(self, a: np.ndarray, b: np.ndarray, traces: np.ndarray) -> np.ndarray:
        """Currents (*shape) of this step's spikes of both operands; the spikes raise their local traces."""
        out = np.empty(self.op.shape, self.message)
        outs = out.reshape(-1, *out.shape[-2:])
        if self.held is None:
            features = a.shape[2] if len(a) else b.shape[2 if self.op.transpose_b else 1]
            self.held = self._nothing_held(features, *outs.shape)
        multiply(a, b, self.op.transpose_b, traces, *self.held, self.limit, outs)
        return out


class SquareStepper:
    """Stepper of a :class:`~processes.trace_product.SquareSum`: one local trace per neuron; a spike adds its share."""

    def __init__(self, op: SquareSum, window: Window) -> None:
        self.op, self.start = op, window.start
        self.message = np.int64 if op.state_bits else np.float64
        self.limit = CURRENT_LIMIT if op.state_bits else None
        self.trace = op.trace.astype(self.message)
        self.weight = np.asarray(op.shares if op.state_bits else op.weight).astype(self.message)
        self.reset()

    def reset(self) -> None:
        """Set local traces and the unsent fractions of the sums to zero."""
        self.held: np.ndarray | None = None
        self.rest = np.zeros(math.prod(self.op.shape), self.message)

    def step(self, t: int, messages: list[Spikes]) -> np.ndarray | None:
        """Currents (*shape): the shares of the spikes of this step, summed by row; None if there are no spikes."""
        spikes = messages[0]
        if spikes is None:
            return None
        rows = np.ascontiguousarray(spikes).reshape(-1, spikes.shape[-1])
        if self.held is None:
            self.held = np.zeros(rows.shape, self.message)
            weight = np.broadcast_to(self.weight, spikes.shape).reshape(rows.shape)
            self.rows = np.ascontiguousarray(weight)
        out = np.empty(self.op.shape, self.message)
        trace, fraction = self.trace[t - self.start], self.op.fraction_bits
        square(rows, trace, self.held, self.rows, self.limit, out.reshape(-1), fraction, self.rest)
        return out

    def through(self, operands: Operands, stepwise: Stepwise) -> Sent | None:
        """Currents of the whole sample, as :meth:`step` sends them, integrated without storing one message per step."""
        sent = operands[0]
        if sent is None:
            return None
        weight = np.broadcast_to(self.weight, sent.shape).reshape(-1, sent.shape[-1])
        weight, traces = np.ascontiguousarray(weight), self.trace[sent.steps - self.start]

        def integrated(limit: int | None) -> Total:
            v, held = np.zeros(self.op.shape, self.message), np.zeros(weight.shape, self.message)
            rest, fraction = np.zeros(len(weight), self.message), self.op.fraction_bits
            clips = square_all(*sent.events, traces, held, weight, self.limit, v.reshape(-1), limit, fraction, rest)
            return v, clips

        return Currents(sent.steps[-1], integrated, stepwise)


def _rows(spikes: Spikes) -> np.ndarray:
    """Spikes (..., N, F) as (L, N, F), leading axes flattened; an array with L = 0 for None."""
    return NOTHING if spikes is None else np.ascontiguousarray(spikes).reshape(-1, *spikes.shape[-2:])
