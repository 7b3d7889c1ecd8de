"""Attention: trace-driven products around a WOSS race, and a division by a moving threshold."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np
import torch

from converters.lowering.arithmetic import broadcast
from converters.lowering.arithmetic import scale as scaled
from converters.lowering.builder import ONE, Builder, Mask, Unsupported, Value, as_parameter
from converters.lowering.handlers import Call, constant, handles
from converters.lowering.linear import constant_product
from converters.masks import MASKED
from processes.routing import apply
from processes.si_exp import SiExp
from processes.si_norm import SiNorm
from processes.trace_product import TraceProduct
from processes.woss import Woss


@handles("scaled_dot_product_attention")
def scaled_dot_product_attention(call: Call) -> Value:
    """softmax(scale q k^T + mask) v, for heads (..., tokens, features); k and v may have fewer heads than q."""
    q, k, v = call.args[:3]
    mask = call.arg(3, "attn_mask")
    if call.arg(5, "is_causal", False):
        mask = torch.ones(q.shape[-2], k.shape[-2], dtype=torch.bool).tril()
    scale = call.kwargs.get("scale")
    scale = 1 / math.sqrt(q.shape[-1]) if scale is None else float(scale)
    if not all(isinstance(x, Value) for x in (k, v)):
        raise Unsupported("a key or value that is constant")
    if call.kwargs.get("enable_gqa", False):
        k, v = (shared_heads(x, q.shape[-3]) for x in (k, v))
    if isinstance(q, Value):
        logits = product(call.builder, q, k, True, f"{call.name}.qk")
    else:  # learned queries
        order = [*range(len(k.shape) - 2), len(k.shape) - 1, len(k.shape) - 2]
        shape = (*q.shape[:-1], k.shape[-2])
        logits = constant_product(replace(call, name=f"{call.name}.qk", shape=shape), q, k.routed(("permute", order)))
    if isinstance(mask, Value):  # relative positions that a query weighs by its own features
        logits, scale, mask = _summed(call.builder, scaled(logits, scale), mask, f"{call.name}.biased"), 1.0, mask.mask
    weights = race(call.builder, logits, scale, mask, f"{call.name}.softmax")
    return product(call.builder, weights, v, False, f"{call.name}.av")


@handles("matmul", "bmm")
def matmul(call: Call) -> Value:
    """A matrix product of two activations by traces, or of an activation and a constant by synapses."""
    a, b = call.args[:2]
    if not isinstance(a, Value) or not isinstance(b, Value):
        return constant_product(call, a, b)
    if a.normaliser:
        return product(call.builder, a, b, False, f"{call.name}.av")
    if b.normaliser:  # its division applies to rows of the transposed product
        swap = [*range(len(call.shape) - 2), len(call.shape) - 1, len(call.shape) - 2]
        turned = [v.routed(("permute", [*range(len(v.shape) - 2), len(v.shape) - 1, len(v.shape) - 2])) for v in (b, a)]
        return product(call.builder, turned[0], turned[1], False, f"{call.name}.av").routed(("permute", swap))
    # two coded operands: features are summed, so the second one is seen as rows of features too
    order = [*range(len(b.shape) - 2), len(b.shape) - 1, len(b.shape) - 2]
    return product(call.builder, a, b.routed(("permute", order)), True, f"{call.name}.qk")


@handles("softmax", "_softmax")
def softmax(call: Call) -> Value:
    """A WOSS race along an axis, whose division by the row's sum stays pending until the next product.

    Another axis than the last is moved to the end and back.
    """
    x: Value = call.args[0]
    axis, last = call.args[1] % len(x.shape), len(x.shape) - 1
    swap = list(range(len(x.shape)))
    swap[axis], swap[last] = last, axis
    x = x if axis == last else x.routed(("permute", swap))
    logits = replace(x, offset=None, mask=None)
    weights = race(call.builder, logits, 1.0, x.offset if x.mask is None else x.mask, f"{call.name}.softmax")
    return weights if axis == last else weights.routed(("permute", swap))


def shared_heads(x: Value, heads: int) -> Value:
    """Keys or values (1, groups, tokens, features) repeated for the query heads of each group, (1, heads, ...)."""
    lead, groups, rest = x.shape[:-3], x.shape[-3], x.shape[-2:]
    return x.routed(
        ("reshape", [*lead, groups, 1, *rest]), ("expand", [*lead, groups, heads // groups, *rest]),
        ("reshape", [*lead, heads, *rest]),
    )  # fmt: skip


def product(b: Builder, x: Value, y: Value, transpose: bool, name: str) -> Value:
    """x y^T (``transpose``) or x y by traces, in the last two axes.

    A softmax's division that is pending on x stays pending on the product, as numerators alone are multiplied. One that
    is pending on y, or on an x whose last axis was moved, is done first.
    """
    gain = torch.ones((), dtype=torch.float64)
    if x.normaliser and not _keeps_rows(x, b.network.shape(x.node)):
        x = Value(b.graded(x, name), x.shape)
    if y.normaliser:  # only the first operand's division can wait
        y = Value(b.graded(y, name), y.shape)
    if any(kind == "pad" for kind, _ in y.steps):  # neurons of their own, which also code what is not silent
        y = Value(b.graded(y, name), y.shape)
    x, y = _same_heads(x, y)
    left, right = (_operand(b, v, name) for v in (x, y))
    for operand in (left, right):
        if operand.gain is not None:
            gain = gain * operand.gain.reshape(())
    nodes = [b.spikes(replace(v, normaliser=None, gain=None))[0] for v in (left, right)]
    columns = y.shape[-2] if transpose else y.shape[-1]
    shape = (*x.shape[:-1], columns)
    op = TraceProduct(shape=shape, traces=np.stack([ONE, ONE]), transpose_b=transpose, bias=np.zeros((1,) * len(shape)))
    node = b.network.add(name, op, *nodes)
    normaliser = b.route(x.node, x.steps, x.shape) if left.normaliser else None
    return Value(node, shape, gain=None if float(gain) == 1 else gain, normaliser=normaliser)


def _same_heads(x: Value, y: Value) -> tuple[Value, Value]:
    """Operands with the same leading axes: the spikes of one with fewer heads are read several times."""
    lead = torch.broadcast_shapes(x.shape[:-2], y.shape[:-2])

    def expanded(v: Value) -> Value:
        wanted = [*lead, *v.shape[-2:]]
        if list(v.shape) == wanted:
            return v
        ones = [1] * (len(wanted) - len(v.shape))
        return v.routed(("reshape", [*ones, *v.shape]), ("expand", wanted))

    return expanded(x), expanded(y)


def _keeps_rows(x: Value, raced: tuple[int, ...]) -> bool:
    """Whether routes have left the last axis of x as it was in the race, of shape ``raced``: its rows are summed."""
    keys = torch.arange(raced[-1])
    return x.shape[-1] == len(keys) and bool((apply(keys.expand(raced), x.steps, 0) == keys).all())


def _summed(b: Builder, logits: Value, bias: Value, name: str) -> Value:
    """The sum of logits and a bias that depends on the input."""
    bias = broadcast(replace(bias, mask=None), logits.shape)
    return Value(b.sum([logits, bias], np.zeros(1), logits.shape, name), logits.shape)


def _operand(b: Builder, v: Value, name: str) -> Value:
    """An operand of a product with one number as its gain, or none; coded anew if an offset or other gain pends."""
    pending = v.normaliser and b.emits(v.node) != "spikes"
    if v.offset is None and not pending and (v.gain is None or v.gain.numel() == 1):
        return v
    return Value(b.graded(v, name), v.shape)


def race(b: Builder, x: Value, scale: float, mask: Any, name: str) -> Value:
    """exp(scale (x - x_max)) along the last axis of logits x, with the division by the row's sum pending.

    Args:
        b: the builder.
        x: logits; potentials of a product race as they are, others are joined first.
        scale: factor on the logits.
        mask: a Mask, a constant boolean or additive mask, or None.
        name: of the new nodes.

    Raises:
        Unsupported: the mask depends on the input, or the logits' scale varies within a head.
    """
    if isinstance(mask, Value):
        raise Unsupported("a mask that depends on the input")
    uncoded = b.is_product(x.node) and x.activation == "identity" and not x.normaliser
    source = b.route(x.node, x.steps, x.shape) if uncoded else b.join(replace(x, gain=None))
    gain = np.full((1,) * len(x.shape), scale) if x.gain is None else as_parameter(x.gain, x.shape) * scale
    allowed, bias, operands = None, None, [source]
    if isinstance(mask, Mask):
        operands += b.keys(mask, len(x.shape))
        allowed, bias = mask.allowed, mask.bias
    elif mask is not None:
        m = torch.as_tensor(mask)
        allowed = m if m.dtype == torch.bool else m > MASKED
        bias = m.masked_fill(~allowed, 0) if m.dtype != torch.bool and bool((m[allowed] != 0).any()) else None
    if allowed is not None:
        allowed = allowed | ~allowed.any(-1, keepdim=True)  # rows of padding attend to all keys: no output reads them
        gain = _of_those_that_race(gain, allowed.numpy())
    if gain.size != ((1,) * 3 + gain.shape)[-3]:
        raise Unsupported("a scale of the logits that varies within a head")
    if bias is not None:
        operands[0] = source = _biased(b, x, source, constant(bias) / gain)
    allowed = (
        None if allowed is None or bool(allowed.all()) else as_parameter(allowed.expand(x.shape), x.shape).astype(bool)
    )
    if b.neurons.recode_logits:
        operands[0] = b.join(Value(b.fire(Value(source, x.shape)), x.shape))
    if b.neurons.si_softmax:
        return _shares(b, operands, x.shape, gain.reshape(-1), allowed, name)
    node = b.network.add(name, Woss.uncoded(x.shape, gain.reshape(-1), allowed), *operands)
    return Value(node, x.shape, normaliser=node)


def _of_those_that_race(gain: np.ndarray, allowed: np.ndarray) -> np.ndarray:
    """The gain common to each head, if gains differ only at keys that take no part (masks that multiply by 0)."""
    if gain.ndim < 2 or gain.shape[-2:] == (1, 1):
        return gain
    raced = np.broadcast_to(allowed, np.broadcast_shapes(gain.shape, allowed.shape))
    gain = np.broadcast_to(gain, raced.shape)
    lowest, highest = (
        f(gain, axis=(-2, -1), keepdims=True, where=raced, initial=i) for f, i in ((np.min, np.inf), (np.max, -np.inf))
    )
    return highest if (lowest == highest).all() else gain


def _shares(
    b: Builder, operands: list[str], shape: tuple[int, ...], gain: np.ndarray, allowed: np.ndarray | None, name: str
) -> Value:
    """Softmax by SI-exp and SI-norm: exponentials, then their shares of the row's sum, with no division pending."""
    exponentials = SiExp.uncoded(shape, gain, allowed, clocked=b.neurons.si_softmax == "extended")
    node = b.network.add(f"{name}.exp", exponentials, *operands)
    return Value(b.network.add(f"{name}.norm", SiNorm.uncoded(shape), node), shape)


def _biased(b: Builder, x: Value, source: str, bias: np.ndarray) -> str:
    """The node of logits with a bias added: a product's own bias, where routes only reorder it, or a residual sum.

    Args:
        b: the builder.
        x: the logits.
        source: the node of their potentials, in their shape.
        bias: broadcasts with them.
    """
    bias = bias.reshape((1,) * (len(x.shape) - bias.ndim) + bias.shape)
    if not b.is_product(source):
        return b.residual([source], bias, x.shape, f"{source}.biased")
    product = b.network[x.node]
    numbers = torch.arange(math.prod(product.shape))
    places = apply(numbers.reshape(product.shape), x.steps, 0).flatten()
    if not isinstance(product, TraceProduct) or not torch.equal(places.sort().values, numbers):
        coded = b.join(Value(b.fire(Value(x.node, product.shape)), product.shape).routed(*x.steps))
        return b.residual([coded], bias, x.shape, f"{source}.biased")
    if x.steps:
        own = np.empty(len(places))
        own[places.numpy()] = np.broadcast_to(bias, x.shape).reshape(-1)
        bias = as_parameter(torch.from_numpy(own.reshape(product.shape)), product.shape)
    b.network.put(x.node, replace(product, bias=product.bias + bias))
    return source
