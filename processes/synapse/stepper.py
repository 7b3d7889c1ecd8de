"""Synapses through time: only the weight rows of the spikes of this step are read."""

from __future__ import annotations

from typing import Any

import numpy as np

from processes.kernels.stepped import gather_conv, gather_dense, integrate
from processes.kernels.windows import dense_all
from processes.operation import Window
from processes.sent import Currents, Operands, Sent, Stepwise, Total
from processes.synapse import ConvSynapse, DenseSynapse, ScaleSynapse, Synapse


class SynapseStepper:
    """Sends the currents of each step's spikes; the bias comes with the first step of the window."""

    def __init__(self, op: Synapse, window: Window) -> None:
        self.op, self.start = op, window.start
        self.message = np.int64 if op.state_bits else np.float64
        # sums of 8-bit mantissas over one step's spikes
        self.sums = np.int32 if op.state_bits else np.float64
        self.weight = op.weight.astype(np.int8 if op.state_bits else np.float64)
        self.trace = op.trace.astype(self.message)
        self.bias = np.broadcast_to(self.bias_column(), op.shape).astype(self.message)

    def bias_column(self) -> np.ndarray:
        """The bias in a shape that broadcasts over the sample."""
        return self.op.bias

    def reset(self) -> None:
        """Nothing to reset: potentials belong to the neurons that integrate the currents."""

    def step(self, t: int, messages: list[np.ndarray | None]) -> np.ndarray | None:
        """Currents (*shape) of this step, or None."""
        k, spikes = t - self.start, messages[0]
        if spikes is None:
            return self.bias if k == 0 else None
        current = self.gather(np.ascontiguousarray(spikes), self.trace[k])
        return self.bias + current if k == 0 else current

    def gather(self, spikes: np.ndarray, factor: Any) -> np.ndarray:
        """Sum (*shape) of the weights of the neurons that spike, times ``factor``."""
        raise NotImplementedError


class DenseStepper(SynapseStepper):
    """Adds the weight rows of the neurons that spike."""

    def __init__(self, op: DenseSynapse, window: Window) -> None:
        super().__init__(op, window)
        self.rows = np.ascontiguousarray(self.weight.T)
        self.room = np.empty(op.shape[-1], self.sums)

    def gather(self, spikes: np.ndarray, factor: Any) -> np.ndarray:
        """Currents (*, out) of spikes (*, in)."""
        out = np.empty(self.op.shape, self.message)
        rows = out.reshape(-1, out.shape[-1])
        gather_dense(spikes.reshape(len(rows), -1), self.rows, factor, self.room, rows)
        return out

    def through(self, operands: Operands, stepwise: Stepwise) -> Sent | None:
        """Currents of a whole sample, which are integrated row by row as they arise."""
        spikes = operands[0]

        def integrated(limit: int | None) -> Total:
            v = np.zeros(self.op.shape, self.message)
            begun = 0
            if spikes is not None and spikes.steps[0] == self.start:  # one message with the bias
                first, begun = self.bias + self.gather(spikes.first, self.trace[0]), 1
            else:
                first = self.bias
            clips = integrate(v.reshape(-1), first.reshape(-1), limit)
            if spikes is not None:
                begin, places, values = spikes.events
                places, values, begin = places[begin[begun] :], values[begin[begun] :], begin[begun:] - begin[begun]
                factors, rows = narrow(self.trace)[spikes.steps[begun:] - self.start], v.reshape(-1, len(self.room))
                clips += dense_all(begin, places, values, self.rows, factors, rows, self.room, limit)
            return v, clips

        return Currents(self.start if spikes is None else spikes.steps[-1], integrated, stepwise)


def narrow(factors: np.ndarray) -> np.ndarray:
    """int64 factors as int32 if they fit, as processors multiply two int32 into 64 bits faster; others as they are."""
    fits = factors.dtype == np.int64 and np.abs(factors).max(initial=0) < 2**31
    return factors.astype(np.int32) if fits else factors


class ConvStepper(SynapseStepper):
    """Each spike adds its weights to the output positions whose kernel covers it."""

    def __init__(self, op: ConvSynapse, window: Window) -> None:
        super().__init__(op, window)
        groups = self.weight.reshape(op.groups, -1, *op.weight.shape[1:])
        self.kernels = np.ascontiguousarray(groups.transpose(0, 2, 3, 4, 1)).reshape(
            -1, *op.weight.shape[2:], groups.shape[1]
        )
        self.geometry = op.geometry
        self.room = np.empty((*op.shape[-2:], op.shape[-3]), self.sums)

    def bias_column(self) -> np.ndarray:
        """The bias as (out, 1, 1)."""
        return self.op.bias.reshape(-1, 1, 1)

    def gather(self, spikes: np.ndarray, factor: Any) -> np.ndarray:
        """Currents (images, out, H', W') of spikes (images, in, H, W)."""
        out = np.empty(self.op.shape, self.message)
        for image, currents in zip(spikes, out, strict=True):
            gather_conv(image, self.kernels, *self.geometry, factor, self.room, currents)
        return out


class ScaleStepper(SynapseStepper):
    """Multiplies each spike by its neuron's own weight, and sums over pooled axes."""

    def __init__(self, op: ScaleSynapse, window: Window) -> None:
        super().__init__(op, window)
        self.op: ScaleSynapse = op
        self.weight = op.weight.astype(self.message)

    def gather(self, spikes: np.ndarray, factor: Any) -> np.ndarray:
        """Currents (*shape) of spikes (*source)."""
        return self.op.pooled(self.weight * spikes) * factor
