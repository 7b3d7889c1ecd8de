"""Synapses through time: only the weight rows of the spikes of this step are read."""

from __future__ import annotations

import numpy as np
import scipy.sparse

from processes.operation import Window
from processes.synapse import ConvSynapse, DenseSynapse, ScaleSynapse, Synapse


class SynapseStepper:
    """Currents of one step; the bias comes with the first step of the window."""

    def __init__(self, op: Synapse, window: Window) -> None:
        self.op, self.start = op, window.start
        # sums of 8-bit mantissas over one step's spikes are exact in float32
        self.working = np.float32 if op.state_bits else np.float64
        self.message = np.int64 if op.state_bits else np.float64
        self.bias = np.broadcast_to(self.bias_column(), op.shape).astype(self.message)

    def bias_column(self) -> np.ndarray:
        """The bias in a shape that broadcasts over the sample."""
        return self.op.bias

    def reset(self) -> None:
        """Stateless: potentials live in the neuron."""

    def step(self, t: int, messages: list[np.ndarray | None]) -> np.ndarray | None:
        """Currents (*shape) of this step, or None."""
        k = t - self.start
        current = None
        if messages[0] is not None:
            current = self.gather(messages[0]).astype(self.message) * self.op.trace[k].astype(self.message)
        if k == 0:
            return self.bias if current is None else self.bias + current
        return current

    def gather(self, spikes: np.ndarray) -> np.ndarray:
        """Sum of the weights of the neurons that spike."""
        raise NotImplementedError


class DenseStepper(SynapseStepper):
    """Sparse spikes times dense weight rows."""

    def __init__(self, op: DenseSynapse, window: Window) -> None:
        super().__init__(op, window)
        self.rows = np.ascontiguousarray(op.weight.T, dtype=self.working)

    def gather(self, spikes: np.ndarray) -> np.ndarray:
        """(*, in) -> (*, out)."""
        events = scipy.sparse.csr_matrix(spikes.reshape(-1, spikes.shape[-1]).astype(self.working))
        return (events @ self.rows).reshape(self.op.shape)


class ConvStepper(SynapseStepper):
    """Patches as rows: each output position gathers the spikes under its kernel."""

    def __init__(self, op: ConvSynapse, window: Window) -> None:
        super().__init__(op, window)
        self.op: ConvSynapse = op
        self.kernels = [
            np.ascontiguousarray(w.reshape(len(w), -1).T, dtype=self.working) for w in np.split(op.weight, op.groups)
        ]
        self.patches: np.ndarray | None = None

    def bias_column(self) -> np.ndarray:
        """(out, 1, 1)."""
        return self.op.bias.reshape(-1, 1, 1)

    def gather(self, spikes: np.ndarray) -> np.ndarray:
        """(1, in, H, W) -> (1, out, H', W')."""
        if self.patches is None:
            self.patches = patches(self.op, spikes.shape)
        padded = np.concatenate([np.zeros(1, spikes.dtype), spikes.reshape(-1)])
        rows = padded[self.patches].astype(self.working)  # (groups, positions, patch)
        outs = [scipy.sparse.csr_matrix(row) @ kernel for row, kernel in zip(rows, self.kernels, strict=True)]
        return np.concatenate(outs, axis=1).T.reshape(self.op.shape)


def patches(op: ConvSynapse, shape: tuple[int, ...]) -> np.ndarray:
    """Index of every spike (1, in, H, W) under every kernel position, 0 for padding: (groups, positions, patch)."""
    rows, columns = op.weight.shape[2:]
    numbered = np.arange(1, int(np.prod(shape)) + 1).reshape(shape[1:])
    padded = np.pad(numbered, [(0, 0), *((p, p) for p in op.padding)])
    reach = ((rows - 1) * op.dilation[0] + 1, (columns - 1) * op.dilation[1] + 1)
    windows = np.lib.stride_tricks.sliding_window_view(padded, reach, axis=(1, 2))  # type: ignore[call-overload]
    windows = windows[:, :: op.stride[0], :: op.stride[1], :: op.dilation[0], :: op.dilation[1]]
    grouped = windows.reshape(op.groups, -1, *windows.shape[1:])
    positions = grouped.shape[2] * grouped.shape[3]
    return grouped.transpose(0, 2, 3, 1, 4, 5).reshape(op.groups, positions, -1)


class ScaleStepper(SynapseStepper):
    """One weight per spike."""

    def __init__(self, op: ScaleSynapse, window: Window) -> None:
        super().__init__(op, window)
        self.op: ScaleSynapse = op
        self.weight = op.weight.astype(self.working)

    def gather(self, spikes: np.ndarray) -> np.ndarray:
        """(*source) -> (*shape)."""
        return self.op.pooled(self.weight * spikes)
