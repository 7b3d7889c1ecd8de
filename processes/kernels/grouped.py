"""Compiled loop of grouped convolutions: every row of an output is a sum of shifted rows of its group's channels."""

# numba types these functions by their calls, not by their signatures
# pyright: reportArgumentType=false

from __future__ import annotations

from numba import prange

from processes.kernels.compiled import njit


@njit
def _reached(offset, stride, size, outputs):
    """(first, stop) of the ``outputs`` positions whose input ``position * stride + offset`` lies in [0, size)."""
    first = max(0, (stride - 1 - offset) // stride)
    return first, max(first, min(outputs, (size - 1 - offset) // stride + 1))


@njit(parallel=True, cache=True)
def convolve(x, weight, stride, padding, dilation, out):
    """out (N, O, H', W') += the cross-correlation of x (N, C, H, W) with weight (O, C / groups, kh, kw), zeros around x.

    x, weight and out are of one floating-point type; stride, padding and dilation are pairs.
    """
    outputs, channels, high, wide = weight.shape
    share = outputs * channels // x.shape[1]  # outputs of a group
    for task in prange(out.shape[0] * outputs):
        n, o = task // outputs, task % outputs
        for c in range(channels):
            plane = x[n, o // share * channels + c]
            for i in range(high):
                down = i * dilation[0] - padding[0]
                top, bottom = _reached(down, stride[0], plane.shape[0], out.shape[2])
                for j in range(wide):
                    along, w = j * dilation[1] - padding[1], weight[o, c, i, j]
                    left, right = _reached(along, stride[1], plane.shape[1], out.shape[3])
                    for y in range(top, bottom):
                        row, total = plane[y * stride[0] + down], out[n, o, y]
                        if stride[1] == 1:  # side by side, so that compilers make wide operations of it
                            near = row[left + along : right + along]
                            far = total[left:right]
                            for p in range(right - left):
                                far[p] += w * near[p]
                        else:
                            for p in range(left, right):
                                total[p] += w * row[p * stride[1] + along]
