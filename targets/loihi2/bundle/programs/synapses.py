"""Programs of synapses and wiring: the message that arrives at a neuron in a step."""

import numpy as np

from .program import Program


class Dense(Program):
    """current_i = trace_k * sum_j w_ij z_j for spikes z; the bias is added in the window's first step."""

    def step(self, t, messages):
        k, z = t - self.start, messages[0]
        current = None if z is None else self.weigh(z) * self.p["trace"][k]
        if k == 0:
            current = np.broadcast_to(self.bias(), self.shape) + (0 if current is None else current)
        return current

    def weigh(self, z):
        """Weighted sums of spikes z, without the trace."""
        return z @ self.p["weight"].T

    def bias(self):
        """The bias, in a shape that broadcasts to the output."""
        return self.p["bias"]


class Conv2d(Dense):
    """A convolution in two dimensions: current = trace_k * (w * z), with stride, padding, dilation and groups."""

    def weigh(self, z):
        weight, groups = self.p["weight"], int(self.p["groups"])
        (sy, sx), (py, px), (dy, dx) = (self.p[name] for name in ("stride", "padding", "dilation"))
        z = np.pad(z, [(0, 0), (0, 0), (py, py), (px, px)])
        out = np.zeros(self.shape, np.int64)
        _, channels, rows, columns = self.shape
        for g in range(groups):
            ins, outs = weight.shape[1], channels // groups
            for i, j in np.ndindex(*weight.shape[2:]):
                seen = z[:, g * ins : (g + 1) * ins, i * dy :: sy, j * dx :: sx][..., :rows, :columns]
                w = weight[g * outs : (g + 1) * outs, :, i, j]
                out[:, g * outs : (g + 1) * outs] += np.einsum("oi,nihw->nohw", w, seen)
        return out

    def bias(self):
        return self.p["bias"].reshape(-1, 1, 1)


class Scale(Dense):
    """One weight for each input: current = trace_k * w z, summed over the axes ``pool`` if there are any."""

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
