"""Rules by which operations of a traced model become nodes of a :class:`processes.spiking.Graph`.

Each rule takes the lowering (``at``), the shape of the result, and the operation's arguments."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import nn

from processes.spiking import Affine, Levels, MaxPool, Product, Reduce, Sum, SumPool, Weighted, Wire


class Unsupported(Exception):
    """An operation that has no form in a spiking graph; the text says why."""


class Signal:
    """The output of a node of the graph, by the node's name, and its shape."""

    def __init__(self, name: str, shape: tuple[int, ...]) -> None:
        self.name, self.shape = name, shape


LAYOUTS = {
    "view", "_unsafe_view", "reshape", "permute", "transpose", "t", "unsqueeze", "squeeze", "expand", "clone", "contiguous",
    "alias", "flatten", "select", "slice", "repeat", "detach", "_to_copy", "to", "flip", "roll", "cat", "stack", "split",
    "chunk", "unbind", "split_with_sizes", "constant_pad_nd", "pad", "movedim", "narrow", "dropout", "swapaxes", "unflatten",
    "lift_fresh_copy", "numpy_T", "mT", "expand_as", "view_as", "index_select", "slice_scatter", "select_scatter",
}  # fmt: skip
"""Operations that move, copy or drop values, and pad with zeros."""


def _numbers(x: Any) -> np.ndarray:
    """A constant as a float64 array."""
    return x.detach().cpu().double().numpy() if isinstance(x, torch.Tensor) else np.asarray(x, np.float64)


def _linear(at: Any, shape: tuple[int, ...], x: Any, weight: Any, bias: Any = None) -> Any:
    if not isinstance(weight, torch.Tensor) or (bias is not None and not isinstance(bias, torch.Tensor)):
        raise Unsupported("weights that depend on the input")
    return at.add(at.layer, Weighted(_numbers(weight), None if bias is None else _numbers(bias)), (x,), shape)


def _conv(at: Any, shape: tuple[int, ...], x: Any, weight: Any, bias: Any = None, stride: Any = 1, padding: Any = 0,
          dilation: Any = 1, groups: int = 1) -> Any:  # fmt: skip
    if not isinstance(weight, torch.Tensor) or isinstance(padding, str):
        raise Unsupported(
            "padding by name; write the number" if isinstance(padding, str) else "weights that are no constants"
        )
    axes = weight.ndim - 2
    strides, paddings, dilations = (_each(value, axes) for value in (stride, padding, dilation))
    op = Weighted(_numbers(weight), None if bias is None else _numbers(bias), strides, paddings, dilations, groups)
    return at.add(at.module, op, (x,), shape)


def _each(value: Any, axes: int) -> tuple[int, ...]:
    """One number for each of ``axes`` axes, from one for all or one for each."""
    found = tuple(value) if isinstance(value, (list, tuple)) else (value,)
    return found * axes if len(found) == 1 else found


def _batch_norm(at: Any, shape: tuple[int, ...], x: Any, weight: Any, bias: Any, mean: Any, variance: Any, *rest: Any,
                **named: Any) -> Any:  # fmt: skip
    if mean is None or variance is None:
        raise Unsupported("batch norm without running statistics")
    eps = [value for value in rest if isinstance(value, float)][-1]
    gain = (1.0 if weight is None else _numbers(weight)) / np.sqrt(_numbers(variance) + eps)
    shift = (0.0 if bias is None else _numbers(bias)) - _numbers(mean) * gain
    column = (-1, *[1] * (len(x.shape) - 2))
    found = at.add(at.named("norm"), Affine(gain.reshape(column), shift.reshape(column)), (x,), x.shape)
    return [found, found, found]


def _plain_batch_norm(at: Any, shape: tuple[int, ...], x: Any, weight: Any, bias: Any, mean: Any, variance: Any,
                      training: bool, momentum: float, eps: float, *rest: Any) -> Any:  # fmt: skip
    if training:
        raise Unsupported("batch norm in training mode")
    return _batch_norm(at, shape, x, weight, bias, mean, variance, eps)[0]


def _affine(at: Any, x: Any, scale: Any, shift: Any, shape: tuple[int, ...]) -> Any:
    """scale x + shift with constants, whose shape x is broadcast to."""
    return at.add(at.named("scale"), Affine(_numbers(scale), _numbers(shift)), (at.expanded(x, shape),), shape)


def _is_signal(x: Any) -> bool:
    return hasattr(x, "name") and hasattr(x, "shape") and not isinstance(x, torch.Tensor)


def _add(at: Any, shape: tuple[int, ...], a: Any, b: Any, alpha: Any = 1) -> Any:
    if not _is_signal(b):
        return _affine(at, a, 1.0, _numbers(b) * alpha, shape)
    if not _is_signal(a):
        return _affine(at, b, alpha, a, shape)
    b = b if alpha == 1 else _affine(at, b, alpha, 0.0, b.shape)
    return at.add(at.named("sum"), Sum(), (at.expanded(a, shape), at.expanded(b, shape)), shape)


def _sub(at: Any, shape: tuple[int, ...], a: Any, b: Any, alpha: Any = 1) -> Any:
    return _add(at, shape, a, b, -alpha)


def _rsub(at: Any, shape: tuple[int, ...], a: Any, b: Any, alpha: Any = 1) -> Any:
    return _add(at, shape, b, a, -alpha) if alpha == 1 else _reject("rsub with alpha")


def _neg(at: Any, shape: tuple[int, ...], x: Any) -> Any:
    return _affine(at, x, -1.0, 0.0, shape)


def _reject(reason: str) -> Any:
    raise Unsupported(reason)


def _mul(at: Any, shape: tuple[int, ...], a: Any, b: Any) -> Any:
    if not _is_signal(b):
        return _affine(at, a, b, 0.0, shape)
    if not _is_signal(a):
        return _affine(at, b, a, 0.0, shape)
    return at.add(at.named("product"), Product(matrices=False), (at.expanded(a, shape), at.expanded(b, shape)), shape)


def _div(at: Any, shape: tuple[int, ...], a: Any, b: Any, rounding_mode: Any = None) -> Any:
    if _is_signal(b) or rounding_mode is not None:
        raise Unsupported("a division by what depends on the input" if rounding_mode is None else "a rounded division")
    return _affine(at, a, 1 / _numbers(b), 0.0, shape)


def _matmul(at: Any, shape: tuple[int, ...], a: Any, b: Any) -> Any:
    if not _is_signal(a) or not _is_signal(b):
        if _is_signal(a) and b.ndim == 2:
            return _linear(at, shape, a, b.T)
        raise Unsupported("a product of a constant matrix and a signal; write a Linear layer")
    if min(len(a.shape), len(b.shape)) < 2:
        raise Unsupported("a product of a matrix and a vector; give both two axes")
    deep = max(len(a.shape), len(b.shape))
    a, b = (at.expanded(x, (1,) * (deep - len(x.shape)) + x.shape) for x in (a, b))
    return at.add(at.named("product"), Product(matrices=True), (a, b), shape)


def _pool_geometry(kernel: Any, stride: Any, padding: Any, dilation: Any, ceil_mode: Any) -> Any:
    if ceil_mode or _each(dilation, 2) != (1, 1):
        raise Unsupported("a pool with ceil_mode or dilation")
    kernel = _each(kernel, 2)
    return kernel, _each(stride, 2) if stride else kernel, _each(padding, 2)


def _max_pool(at: Any, shape: tuple[int, ...], x: Any, kernel: Any, stride: Any = (), padding: Any = 0, dilation: Any = 1,
              ceil_mode: bool = False) -> Any:  # fmt: skip
    return at.add(at.module, MaxPool(*_pool_geometry(kernel, stride, padding, dilation, ceil_mode)), (x,), shape)


def _avg_pool(at: Any, shape: tuple[int, ...], x: Any, kernel: Any, stride: Any = (), padding: Any = 0,
              ceil_mode: bool = False, count_include_pad: bool = True, divisor: Any = None) -> Any:  # fmt: skip
    op = SumPool(*_pool_geometry(kernel, stride, padding, 1, ceil_mode))
    if any(op.padding) and not count_include_pad:
        raise Unsupported("an average pool that leaves padding out")
    total = at.add(at.module, op, (x,), shape)
    return _affine(at, total, 1 / (divisor or op.kernel[0] * op.kernel[1]), 0.0, shape)


def _adaptive(at: Any, shape: tuple[int, ...], x: Any, size: Any) -> Any:
    rows, columns = (n // m for n, m in zip(x.shape[-2:], shape[-2:], strict=True))
    if (rows * shape[-2], columns * shape[-1]) != tuple(x.shape[-2:]):
        raise Unsupported(f"an adaptive pool from {x.shape[-2:]} to {shape[-2:]}, whose windows differ")
    total = at.add(at.module, SumPool((rows, columns), (rows, columns), (0, 0)), (x,), shape)
    return _affine(at, total, 1 / (rows * columns), 0.0, shape)


def _summed(at: Any, shape: tuple[int, ...], x: Any, axes: Any = None, keep: bool = False, dtype: Any = None) -> Any:
    chosen = range(len(x.shape)) if not axes and axes != 0 else (axes if isinstance(axes, list) else [axes])
    chosen = sorted(axis % len(x.shape) for axis in chosen)
    kept = tuple(1 if i in chosen else n for i, n in enumerate(x.shape))
    if kept != x.shape:
        x = at.add(at.named("sum"), Reduce(tuple(chosen)), (x,), kept)
    return x if kept == shape else at.moved(x, torch.arange(int(np.prod(shape))).reshape(shape))


def _mean(at: Any, shape: tuple[int, ...], x: Any, axes: Any = None, keep: bool = False, dtype: Any = None) -> Any:
    total, count = _summed(at, shape, x, axes), np.prod(x.shape) / np.prod(shape)
    return total if count == 1 else _affine(at, total, 1 / count, 0.0, shape)


def _clamp(at: Any, shape: tuple[int, ...], x: Any, least: Any = None, most: Any = None) -> Any:
    if least != 0 or most is None or most != int(most) or most < 1:
        raise Unsupported(f"a clamp to {least} .. {most}; an integer activation has 0 .. D")
    return at.add(at.module, Levels(int(most), rounds=False), (x,), shape)


def _round(at: Any, shape: tuple[int, ...], x: Any) -> Any:
    clip = at.nodes[x.name]
    if not isinstance(clip.op, Levels) or clip.op.rounds:
        raise Unsupported("rounds what is not clamped to 0 .. D before")
    return at.add(f"{at.module}.levels", Levels(clip.op.most), tuple(clip.wires), shape)


RULES: dict[str, Any] = {
    "linear": _linear, "conv1d": _conv, "conv2d": _conv, "_native_batch_norm_legit_no_training": _batch_norm,
    "batch_norm": _plain_batch_norm, "add": _add, "sub": _sub, "rsub": _rsub, "neg": _neg, "mul": _mul, "div": _div,
    "matmul": _matmul, "bmm": _matmul, "max_pool2d": _max_pool, "avg_pool2d": _avg_pool, "adaptive_avg_pool2d": _adaptive,
    "sum": _summed, "mean": _mean, "clamp": _clamp, "round": _round,
}  # fmt: skip
"""Rules by name of the aten operation, without its overload."""


def module_layer(at: Any, module: nn.Module, source: Wire, shape: tuple[int, ...]) -> Signal:
    """Add the recurrent layer of a neuron, which is no part of the trace; ``source`` carries the step before's spikes.

    Raises:
        Unsupported: it is neither linear, nor a convolution with zero padding, nor snnTorch's one-to-one weight V.
    """
    bias = getattr(module, "bias", None)
    known = None if bias is None else _numbers(bias)
    if isinstance(module, nn.Linear):
        op: Any = Weighted(_numbers(module.weight), known)
    elif isinstance(module, nn.Conv2d) and not isinstance(module.padding, str) and module.padding_mode == "zeros":
        geometry = (module.stride, module.padding, module.dilation)
        op = Weighted(_numbers(module.weight), known, *geometry, module.groups)
    elif isinstance(scale := getattr(module, "V", None), torch.Tensor):
        op = Affine(_numbers(scale), np.zeros(()))
    else:
        raise Unsupported(f"recurrent connections through {type(module).__name__}")
    return at.add(at.named("recurrent"), op, (source,), shape)
