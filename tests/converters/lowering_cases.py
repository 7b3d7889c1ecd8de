"""Modules as users write them, for the lowering to accept, or to convert rightly or refuse: forwards and their layers."""

# ruff: noqa: E501 - a table with one case a line

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import nn

TOKENS, IMAGE = (5, 8), (4, 7, 7)
Forward = Callable[..., Any]


def heads(m: Any, x: torch.Tensor) -> tuple[torch.Tensor, ...]:
    """q, k, v (1, 2, 5, 4) of a joint projection."""
    return m.qkv(x).reshape(1, 5, 3, 2, 4).permute(2, 0, 3, 1, 4).unbind(0)


def joined(m: Any, y: torch.Tensor) -> torch.Tensor:
    return m.out(y.transpose(1, 2).reshape(1, 5, 8))


def attention(**kwargs: Any) -> Forward:
    """scaled_dot_product_attention, a mask taken from the module's buffer."""

    def forward(m: Any, x: torch.Tensor) -> torch.Tensor:
        mask = {"attn_mask": m.mask} if hasattr(m, "mask") else {}
        return joined(m, F.scaled_dot_product_attention(*heads(m, x), **mask, **kwargs))

    return forward


def explicit(m: Any, x: torch.Tensor) -> torch.Tensor:
    q, k, v = heads(m, x)
    return joined(m, ((q * 0.5) @ k.transpose(-2, -1)).softmax(-1) @ v)


def additive(m: Any, x: torch.Tensor) -> torch.Tensor:
    """GPT-J's and Bloom's: a mask of zeros and very negative numbers is added to scaled logits."""
    q, k, v = heads(m, x)
    return joined(m, ((q @ k.transpose(-2, -1)) / 2 + m.mask).softmax(-1) @ v)


def sinks(m: Any, x: torch.Tensor) -> torch.Tensor:
    """gpt-oss's: a learned logit of each head races beside the keys, has no value, and the largest is taken off before."""
    q, k, v = heads(m, x)
    logits = torch.cat([(q @ k.transpose(-2, -1)) / 2 + m.mask, m.sink.expand(1, 2, 5, 1)], -1)
    return joined(m, (logits - logits.max(-1, keepdim=True).values).softmax(-1)[..., :-1] @ v)


def turned(m: Any, x: torch.Tensor) -> torch.Tensor:
    """DeepSeek-V2's and Llama 4's rotary positions, as products of complex numbers."""
    q, k, v = heads(m, x)
    angles = torch.polar(torch.ones(5, 2), torch.arange(5.0)[:, None] * torch.tensor([1.0, 0.1]))
    q, k = (
        torch.view_as_real(torch.view_as_complex(t.reshape(1, 2, 5, 2, 2)) * angles[None, None]).flatten(3)
        for t in (q, k)
    )
    return joined(m, F.scaled_dot_product_attention(q, k, v))


def floored_logits(m: Any, x: torch.Tensor) -> torch.Tensor:
    """XGLM's: masked logits are kept above the lowest number that there is, which changes none."""
    q, k, v = heads(m, x)
    logits = (q @ k.transpose(-2, -1)) / 2 + m.mask.clamp_min(-1e9)
    return joined(m, torch.max(logits, torch.full((), torch.finfo(torch.float32).min)).softmax(-1) @ v)


def between_channels(m: Any, x: torch.Tensor) -> torch.Tensor:
    """Attention whose keys are channels, as DaViT's and XCiT's: their biases differ from key to key."""
    q, k, v = heads(m, x)
    return joined(m, ((q.transpose(-2, -1) @ k * 0.5).softmax(-1) @ v.transpose(-2, -1)).transpose(-2, -1))


def masked(fill: float) -> Forward:
    """Attention by its formula; logits of keys that take no part are replaced by ``fill``."""

    def forward(m: Any, x: torch.Tensor) -> torch.Tensor:
        q, k, v = heads(m, x)
        return joined(m, (q @ k.transpose(-2, -1)).masked_fill(~m.mask, fill).softmax(-1) @ v)

    return forward


def factorised(m: Any, x: torch.Tensor) -> torch.Tensor:
    """Keys compete along tokens, and what they say of the values is summed before a query reads it (CoaT)."""
    q, k, v = heads(m, x)
    return joined(m, q @ (k.softmax(2).transpose(-2, -1) @ v))


def by_content_and_place(m: Any, x: torch.Tensor) -> torch.Tensor:
    """Relative positions that each query weighs by its own features, as in Conformer and SAM, and a causal mask."""
    q, k, v = heads(m, x)
    bias = (q @ m.p).masked_fill(~m.mask, -torch.inf)
    return joined(m, F.scaled_dot_product_attention(q, k, v, attn_mask=bias, scale=0.3))


def multiplied_mask(m: Any, x: torch.Tensor) -> torch.Tensor:
    """The first GPT's: logits of keys that take no part are multiplied by 0 and lowered by 10,000."""
    q, k, v = heads(m, x)
    b = m.mask.float()
    return joined(m, ((q @ k.transpose(-2, -1)) / 2 * b + -1e4 * (1 - b)).softmax(-1) @ v)


def heads_in_the_batch(m: Any, x: torch.Tensor) -> torch.Tensor:
    """BART's before its attention was shared: a mask (1, 1, tokens, keys) is added where logits are (1, heads, ...)."""
    q, k, v = (y.flatten(0, 1) for y in heads(m, x))
    logits = ((q @ k.transpose(-2, -1)).view(1, 2, 5, 5) + m.mask[None, None]).view(2, 5, 5)
    return joined(m, (logits.softmax(-1) @ v).view(1, 2, 5, 4))


def einsum_attention(m: Any, x: torch.Tensor) -> torch.Tensor:
    q, k, v = heads(m, x)
    weights = torch.einsum("bhqd,bhkd->bhqk", q, k).softmax(-1)
    return joined(m, torch.einsum("bhqk,bhkd->bhqd", weights, v))


def rms(y: torch.Tensor) -> torch.Tensor:
    return y * torch.rsqrt(y.pow(2).mean(-1, keepdim=True) + 1e-3)


def spelled_layer_norm(y: torch.Tensor) -> torch.Tensor:
    centred = y - y.mean(-1, keepdim=True)
    return centred / torch.sqrt(centred.pow(2).mean(-1, keepdim=True) + 1e-3)


def spelled_scaler(y: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """A time series over its deviation in time, both by sums over counts of what was observed (PatchTST)."""
    observed = torch.ones_like(y, dtype=torch.bool)
    count = observed.sum(1, keepdim=True).clamp_min(1.0)
    mean = (y * observed).sum(1, keepdim=True) / count
    deviation = torch.sqrt((((y - mean) * observed) ** 2).sum(1, keepdim=True) / count + 0.1)
    return (y - mean) / deviation, mean, deviation


def scaled_back(m: Any, x: torch.Tensor) -> torch.Tensor:
    y, mean, deviation = spelled_scaler(m.a(x))
    return m.b(y) * deviation + mean


def by_variance(y: torch.Tensor) -> torch.Tensor:
    return (y - y.mean(-1, keepdim=True)) * torch.rsqrt(y.var(-1, unbiased=False, keepdim=True) + 1e-3)


def layer_norm_of_pixels(m: Any, x: torch.Tensor) -> torch.Tensor:
    y = m.c(x)
    centred = y - y.mean(1, keepdim=True)
    return m.d(m.g[:, None, None] * centred / torch.sqrt(centred.pow(2).mean(1, keepdim=True) + 1e-3))


def by_an_inverse(m: Any, x: torch.Tensor) -> torch.Tensor:
    """Attention without softmax: positive features of queries and keys, divided by their sum's inverse."""
    q, k = (F.relu(layer(x)) + 0.1 for layer in (m.q, m.k))
    inverse = 1 / (q @ k.sum(1, keepdim=True).transpose(1, 2) + 1e-6)
    return (q @ (k.transpose(1, 2) @ m.v(x))) * inverse


def global_response(m: Any, x: torch.Tensor) -> torch.Tensor:
    """ConvNeXt V2's normalisation: a channel's norm over pixels, over the mean of all channels' norms, is a gate."""
    y = F.gelu(m.c(x))
    norm = torch.linalg.vector_norm(y, dim=(2, 3), keepdim=True)
    return m.d(y + m.g[:, None, None] * (y * (norm / (norm.mean(1, keepdim=True) + 1e-6))))


def linear_attention(m: Any, x: torch.Tensor) -> torch.Tensor:
    """A column of ones beside the values adds up what divides them (EfficientViT)."""
    q, k, v = heads(m, x)
    q, k, v = q.relu(), k.relu(), F.pad(v, (0, 1), value=1.0)
    y = q @ (k.transpose(-1, -2) @ v)
    return joined(m, y[..., :-1] / (y[..., -1:] + 0.5))


def its_own_sum(m: Any, x: torch.Tensor) -> torch.Tensor:
    y = torch.sigmoid(m.a(x))
    return m.b(y / y.sum(-1, keepdim=True))


def padded_keys(m: Any, x: torch.Tensor) -> torch.Tensor:
    k, v = (F.pad(layer(x), (0, 0, 0, 2)) for layer in (m.b, m.c))
    return F.scaled_dot_product_attention(m.a(x), k, v)


def written_over(m: Any, x: torch.Tensor) -> torch.Tensor:
    y = m.a(x)
    y[:, 1:3] = 2 * y[:, 2:4] + m.a.bias
    y[:, 4] = x[:, 0]
    return m.b(y)


def behind(m: Any, x: torch.Tensor) -> torch.Tensor:
    """Values are columns, and weights follow them (SHViT)."""
    q, k, v = heads(m, x)
    weights = (q @ k.transpose(-2, -1)).softmax(-1)
    return joined(m, (v.transpose(-2, -1) @ weights.transpose(-2, -1)).transpose(-2, -1))


def transposed_weights(m: Any, x: torch.Tensor) -> torch.Tensor:
    q, k, v = heads(m, x)
    return joined(m, (q @ k.transpose(-2, -1)).softmax(-1).transpose(-1, -2) @ v)


ACTIVATIONS = {
    "relu6": F.relu6, "hardtanh": F.hardtanh, "hardswish": F.hardswish, "hardsigmoid": F.hardsigmoid, "mish": F.mish, "elu": F.elu,
    "leaky_relu": lambda v: F.leaky_relu(v, 0.2), "in place": lambda v: F.leaky_relu_(v.clone(), 0.2), "selu": F.selu,
    "celu": lambda v: F.celu(v, 0.7), "softplus": F.softplus, "softsign": F.softsign, "softshrink": lambda v: F.softshrink(v, 0.1),
    "erf": torch.erf, "clamp": lambda v: v.clamp(-0.2, 0.4), "prelu": lambda v: F.prelu(v, torch.tensor([0.3])),
    "hardtanh in place": lambda v: F.hardtanh_(v.clone(), -0.1, 0.5), "relu6 of a gain": lambda v: F.relu6(2 * v),
}  # fmt: skip
SPELLED = {
    "quick_gelu": lambda v: v * torch.sigmoid(1.702 * v),
    "silu": lambda v: v * torch.sigmoid(v),
    "gelu": lambda v: v * 0.5 * (1.0 + torch.erf(v / 2**0.5)),
    "gelu by tanh": lambda v: 0.5 * v * (1 + torch.tanh((2 / torch.pi) ** 0.5 * (v + 0.044715 * torch.pow(v, 3.0)))),
    "mish": lambda v: v * torch.tanh(F.softplus(v)),
    "hardswish": lambda v: v * F.relu6(v + 3) / 6,
    "hardsigmoid": lambda v: F.relu6(v + 3) / 6,
}


def part(name: str, forward: Forward, shape: tuple[int, ...] = TOKENS, marks: Any = (), **parts: Any) -> Any:
    return pytest.param(forward, parts, shape, id=name, marks=marks)


def qkv() -> dict[str, nn.Module]:
    return {"qkv": nn.Linear(8, 24), "out": nn.Linear(8, 3)}


def two(hidden: int = 8, out: int = 3) -> dict[str, nn.Module]:
    return {"a": nn.Linear(8, 8), "b": nn.Linear(hidden, out)}


def three() -> dict[str, nn.Module]:
    return {name: nn.Linear(8, 8) for name in "abc"}


G = torch.Generator().manual_seed(1)
VECTOR = torch.randn(8, generator=G)
BIAS = torch.randn(5, 5, generator=G)
MASKED_BIAS = BIAS.clone()
MASKED_BIAS[0, 3], MASKED_BIAS[2, 1] = -1e9, -torch.inf
BOOLEAN = (torch.rand(2, 5, 5, generator=G) > 0.5) | torch.eye(5, dtype=torch.bool)
CONV = dict(shape=IMAGE)

ACCEPTED = [
    part("gate", lambda m, x: m.c(F.silu(m.a(x)) * m.b(x)), **three()),
    part("gate that is read out", lambda m, x: m.a(x) * m.b(x), **two(out=8)),
    part("gate with gains", lambda m, x: m.c((m.v * m.a(x)) * (3 * m.b(x))), v=VECTOR, **three()),
    part("gate that is shifted", lambda m, x: m.c(m.a(x) * (1 + torch.tanh(m.b(x)))), **three()),
    part("gate per token", lambda m, x: m.c(m.a(x) * torch.sigmoid(m.b(x).mean(-1, keepdim=True))), **three()),
    part("gate per channel", lambda m, x: m.d(x * torch.sigmoid(m.c(x).mean((2, 3), keepdim=True))), c=nn.Conv2d(4, 4, 1),
         d=nn.Conv2d(4, 3, 3), **CONV),
    part("gate with an axis more", lambda m, x: m.c(m.a(x) * m.b(x).mean((0, 1))), **three()),
    part("gate into a sum", lambda m, x: m.c(x + m.a(x) * m.b(x)), **three()),
    part("square", lambda m, x: m.b(m.a(x).square()), **two()),
    part("mean of squares over tokens", lambda m, x: m.b(m.a(x).pow(2).mean(1)), **two()),
    part("function times its potential", lambda m, x: m.b(torch.tanh(m.a(x)) * m.a(x)), **two()),
    part("linear", lambda m, x: m.a(x), a=nn.Linear(8, 4)),
    part("linear without bias", lambda m, x: m.a(x), a=nn.Linear(8, 4, bias=False)),
    part("input scaled and shifted", lambda m, x: m.a(x * 2 + 1), a=nn.Linear(8, 4)),
    part("conv2d", lambda m, x: m.c(x), c=nn.Conv2d(4, 6, 3), **CONV),
    part("conv2d geometry", lambda m, x: m.c(x), c=nn.Conv2d(4, 6, (3, 2), (2, 1), (1, 0), (1, 2), groups=2), **CONV),
    part("conv2d depthwise", lambda m, x: m.d(F.relu(m.c(x))), c=nn.Conv2d(4, 6, 1), d=nn.Conv2d(6, 6, 3, padding=1, groups=6), **CONV),
    part("conv2d of normalised image", lambda m, x: m.c((x - m.mean) / m.std), c=nn.Conv2d(4, 6, 3, groups=2), mean=torch.rand(1, 4, 1, 1), std=torch.rand(1, 4, 1, 1) + 0.5, **CONV),
    part("patches to tokens", lambda m, x: m.b(m.c(x).flatten(2).transpose(1, 2)), c=nn.Conv2d(4, 6, 3), b=nn.Linear(6, 3), **CONV),
    part("layer_norm", lambda m, x: m.b(F.layer_norm(m.a(x), (8,), m.g, m.g, 1e-3)), g=VECTOR, **two()),
    part("layer_norm plain", lambda m, x: m.b(F.layer_norm(m.a(x), (8,))), **two()),
    part("layer_norm of conv", lambda m, x: m.b(F.layer_norm(m.c(x).permute(0, 2, 3, 1), (6,))), c=nn.Conv2d(4, 6, 3), b=nn.Linear(6, 3), **CONV),
    part("rms_norm", lambda m, x: m.b(F.rms_norm(m.a(x), (8,), m.g, 1e-3)), g=VECTOR, **two()),
    part("rms_norm plain", lambda m, x: m.b(F.rms_norm(m.a(x), (8,))), **two()),
    part("sdpa", attention(), **qkv()),
    part("attention between channels", between_channels, **qkv()),
    part("sdpa causal", attention(is_causal=True), **qkv()),
    part("sdpa scale", attention(scale=0.3), **qkv()),
    part("sdpa bias", attention(), mask=BIAS, **qkv()),
    part("sdpa boolean mask", attention(), mask=BOOLEAN, **qkv()),
    part("sdpa bias and mask", attention(), mask=MASKED_BIAS, **qkv()),
    part("sdpa bias by the query", by_content_and_place, p=torch.randn(4, 5, generator=G), mask=BOOLEAN, **qkv()),
    part("mask that multiplies", multiplied_mask, mask=BOOLEAN, **qkv()),
    part("mask of heads in the batch", heads_in_the_batch, mask=MASKED_BIAS, **qkv()),
    part("sdpa one token", lambda m, x: F.scaled_dot_product_attention(m.a(x), m.b(x), m.c(x)), (1, 8), a=nn.Linear(8, 8), b=nn.Linear(8, 8), c=nn.Linear(8, 8)),
    part("value path through an activation", lambda m, x: F.scaled_dot_product_attention(m.a(x), m.b(x), m.d(F.relu(m.c(x)))), a=nn.Linear(8, 8), b=nn.Linear(8, 8), c=nn.Linear(8, 8), d=nn.Linear(8, 8)),
    *[part(f, lambda m, x, f=f: m.b(getattr(F, f)(m.a(x))), **two()) for f in ("relu", "gelu", "silu", "sigmoid", "tanh")],
    part("gelu tanh", lambda m, x: m.b(F.gelu(m.a(x), approximate="tanh")), **two()),
    part("exp", lambda m, x: m.b(torch.exp(m.a(x))), **two()),
    part("gelu of gelu", lambda m, x: m.b(F.gelu(F.gelu(m.a(x)))), **two()),
    part("relu between transposes", lambda m, x: m.b(torch.relu(m.a(x).transpose(1, 2)).transpose(1, 2)), **two()),
    part("residual and LayerScale", lambda m, x: x + m.g * m.b(F.gelu(m.a(x))), g=VECTOR, **two(out=8)),
    part("same branch twice", lambda m, x: m.b(x + x), b=nn.Linear(8, 3)),
    part("sub", lambda m, x: m.a(x) - m.b(x), **two(out=8)),
    part("sub from a constant", lambda m, x: torch.sub(1.5, m.a(x)), a=nn.Linear(8, 4)),
    part("mul, div, add, sub by constants", lambda m, x: m.b((m.a(x) * m.g / 3 + m.g - 0.5) * 2), g=VECTOR, **two()),
    part("in-place add and mul", lambda m, x: m.b(m.a(x).add_(1.0).mul_(2.0)), **two()),
    part("cat with a constant", lambda m, x: m.b(torch.cat([m.token, m.a(x)], 1)), token=torch.randn(1, 2, 8, generator=G), **two()),
    part("cat of two branches", lambda m, x: m.c(torch.cat([m.a(x), torch.relu(m.b(x))], -1)), c=nn.Linear(11, 3), **two()),
    part("mean", lambda m, x: F.layer_norm(m.a(x), (8,), m.g, m.g).mean(1), g=VECTOR, a=nn.Linear(8, 8)),
    part("mean kept", lambda m, x: m.b(m.a(x).mean((1,), keepdim=True)), **two()),
    part("mean of image", lambda m, x: m.b(F.relu(m.c(x)).mean((-2, -1))), c=nn.Conv2d(4, 6, 3), b=nn.Linear(6, 3), **CONV),
    part("slice and stride", lambda m, x: m.b(m.a(x)[:, 1:5:2]), **two()),
    part("select", lambda m, x: m.b(m.a(x)[:, -1]), **two()),
    part("unbind", lambda m, x: m.b(m.a(x).unbind(1)[3]), **two()),
    part("chunk", lambda m, x: m.b(m.a(x).chunk(2, -1)[1]), **two(4)),
    part("chunk uneven", lambda m, x: m.b(m.a(x).chunk(3, -1)[2]), **two(2)),
    part("split", lambda m, x: m.b(m.a(x).split([2, 6], -1)[1]), **two(6)),
    part("roll", lambda m, x: m.b(m.a(x).roll((1, -2), (1, 2))), **two()),
    part("expand", lambda m, x: m.b(m.a(x)[:, :1].expand(1, 4, 8)), **two()),
    part("pad", lambda m, x: m.b(F.pad(m.a(x), (0, 0, 1, 2))), **two()),
    part("pad after a shift", lambda m, x: m.b(F.pad(F.layer_norm(m.a(x), (8,), m.g, m.g), (0, 0, 1, 2))), g=VECTOR, **two()),
    part("dropout", lambda m, x: m.b(F.dropout(m.a(x), 0.5, m.training)), **two()),
    part("explicit attention", explicit, **qkv()),
    part("explicit attention with a mask", masked(-torch.inf), mask=BOOLEAN, **qkv()),
    part("explicit attention with the smallest number that masks", masked(-1000.0), mask=BOOLEAN, **qkv()),
    part("explicit attention with an additive mask", additive, mask=MASKED_BIAS, **qkv()),
    part("attention sinks", sinks, mask=MASKED_BIAS, sink=torch.tensor([0.5, -1.0]).reshape(1, 2, 1, 1), **qkv()),
    part("rotary positions as complex numbers", turned, **qkv()),
    *(part(f"activation {name}", lambda m, x, f=f: m.b(f(m.a(x))), **two()) for name, f in ACTIVATIONS.items()),
    *(part(f"spelled {name}", lambda m, x, f=f: m.b(f(m.a(x))), **two()) for name, f in SPELLED.items()),
    part("rms_norm spelled out", lambda m, x: m.b(m.g * rms(m.a(x))), g=VECTOR, **two()),
    part("rms_norm with a root", lambda m, x: m.b((y := m.a(x)) / (y.square().mean(-1, keepdim=True) + 1e-3).sqrt()), **two()),
    part("rms_norm by a power", lambda m, x: m.b((y := m.a(x)) * (y.pow(2).mean(-1, True) + 1e-3) ** -0.5), **two()),
    part("layer_norm spelled out", lambda m, x: m.b(spelled_layer_norm(m.a(x))), **two()),
    part("layer_norm by var", lambda m, x: m.b(by_variance(m.a(x))), **two()),
    part("normalised by its own sum of squares", lambda m, x: m.b((y := m.a(x)) * (y * y).sum(-1, True).rsqrt()), **two()),
    part("addmm", lambda m, x: torch.addmm(m.g[:3], m.a(x)[0], m.m)[None], g=VECTOR, m=torch.randn(8, 3), a=nn.Linear(8, 8)),
    part("constant matrix behind", lambda m, x: m.a(x) @ m.m, m=torch.randn(8, 4), a=nn.Linear(8, 8)),
    part("constant matrix before", lambda m, x: m.m @ m.a(x), m=torch.randn(4, 5), a=nn.Linear(8, 3)),
    part("constant matrix by head", lambda m, x: m.out((heads(m, x)[0] @ m.m).transpose(1, 2).reshape(1, 5, 8)), m=torch.randn(2, 4, 4), **qkv()),
    part("constant vector", lambda m, x: m.a(x) @ m.g, g=VECTOR, a=nn.Linear(8, 8)),
    part("einsum with weights", lambda m, x: torch.einsum("btd,de->bte", m.a(x), m.m), m=torch.randn(8, 3), a=nn.Linear(8, 8)),
    part("einsum by head", lambda m, x: m.out(torch.einsum("bhtd,hde->bthe", heads(m, x)[0], m.m).reshape(1, 5, 8)), m=torch.randn(2, 4, 4), **qkv()),
    part("factorised attention", factorised, **qkv()),
    part("einsum attention", einsum_attention, **qkv()),
    part("stack", lambda m, x: m.b(torch.stack([m.a(x), m.a(x)], 2).flatten(2)[..., 4:12]), **two()),
    part("conv1d", lambda m, x: m.c(x), c=nn.Conv1d(5, 4, 3, 2, padding=1)),
    part("conv1d same, even, grouped", lambda m, x: m.c(x), c=nn.Conv1d(4, 6, 4, padding="same", dilation=2, groups=2), shape=(4, 9)),
    part("conv2d same", lambda m, x: m.c(x), c=nn.Conv2d(4, 6, (3, 5), padding="same", dilation=(1, 2)), **CONV),
    part("conv3d of patches", lambda m, x: m.b(m.c(x).flatten(2).transpose(1, 2)), c=nn.Conv3d(2, 4, (2, 2, 3), (2, 2, 3)), b=nn.Linear(4, 3), shape=(2, 5, 4, 6)),
    part("sum of tokens", lambda m, x: m.b(m.a(x).sum(1)), **two()),
    part("where of two values", lambda m, x: m.c(torch.where(m.k, m.a(x), m.b(x))), k=torch.rand(1, 5, 8) > 0.3, **three()),
    part("larger of two values", lambda m, x: m.c(torch.maximum(m.a(x), m.b(x))), **three()),
    part("larger, spelled max", lambda m, x: m.c(torch.max(m.a(x), m.b(x)[:, :1])), **three()),
    part("smaller of two values", lambda m, x: m.c(torch.minimum(m.a(x), m.b(x))), **three()),
    part("larger of a value and a number", lambda m, x: m.b(torch.maximum(m.a(x), torch.tensor(-0.3))), **two()),
    part("larger of a value and a number above zero", lambda m, x: m.b(torch.maximum(m.a(x), torch.tensor(0.3))), **two()),
    part("smaller of a value and a constant", lambda m, x: m.b(torch.minimum(m.v, m.a(x))), v=VECTOR, **two()),
    part("smaller of a value and a number", lambda m, x: m.b(torch.minimum(m.a(x), torch.tensor(0.3))), **two()),
    part("larger than the lowest number", floored_logits, mask=MASKED_BIAS, **qkv()),
    part("cumsum over tokens", lambda m, x: m.b(m.a(x).cumsum(1)), **two()),
    part("cumsum over features", lambda m, x: m.b(m.a(x).cumsum(-1)), **two()),
    part("where", lambda m, x: m.b(torch.where(m.k, m.a(x), 0.5)), k=torch.rand(1, 5, 8) > 0.3, **two()),
    part("index", lambda m, x: m.b(m.a(x)[:, m.i]), i=torch.tensor([4, 0, 0, 2]), **two()),
    part("index by rows and columns", lambda m, x: m.b(m.a(x)[:, m.i[:, None], m.i[None, :]]), i=torch.tensor([4, 0, 2]), **two(3)),
    part("gather", lambda m, x: m.b(m.a(x).gather(1, m.i.reshape(1, -1, 1).expand(1, 3, 8))), i=torch.tensor([4, 0, 2]), **two()),
    part("repeat", lambda m, x: m.b(m.a(x)[:, :1].repeat(1, 3, 1)), **two()),
    part("repeat by a new axis", lambda m, x: m.b(m.a(x).expand(2, 1, 5, 8)), **two()),
    part("flip", lambda m, x: m.b(m.a(x).flip(1)), **two()),
    part("roll of everything", lambda m, x: m.b(m.a(x).roll(3)), **two()),
    part("pad with ones", lambda m, x: m.b(F.pad(m.a(x), (0, 0, 1, 1), value=1.0)), **two()),
    part("pad by reflection", lambda m, x: m.c(F.pad(x, (1, 2, 1, 0), mode="reflect")), c=nn.Conv2d(4, 6, 3), **CONV),
    part("pad by repetition", lambda m, x: m.c(F.pad(x, (1, 2, 1, 0), mode="replicate")), c=nn.Conv2d(4, 6, 3), **CONV),
    part("unfold", lambda m, x: m.b(F.unfold(m.c(x), 3, padding=1).transpose(1, 2)), c=nn.Conv2d(4, 6, 1), b=nn.Linear(54, 3), **CONV),
    part("upsampled by repetition", lambda m, x: m.d(F.interpolate(m.c(x), scale_factor=2)), c=nn.Conv2d(4, 6, 1), d=nn.Conv2d(6, 2, 2), **CONV),
    part("upsampled bilinearly", lambda m, x: m.d(F.interpolate(m.c(x), scale_factor=2, mode="bilinear")), c=nn.Conv2d(4, 6, 1), d=nn.Conv2d(6, 2, 2), **CONV),
    part("resized bicubically", lambda m, x: m.d(F.interpolate(m.c(x), (5, 9), mode="bicubic")), c=nn.Conv2d(4, 6, 1), d=nn.Conv2d(6, 2, 2), **CONV),
    part("adaptive windows of two sizes", lambda m, x: m.d(F.adaptive_avg_pool2d(m.c(x), (3, 4))), c=nn.Conv2d(4, 6, 1), d=nn.Conv2d(6, 2, 2), **CONV),
    part("pixel shuffle", lambda m, x: m.d(F.pixel_shuffle(m.c(x), 2)), c=nn.Conv2d(4, 8, 1), d=nn.Conv2d(2, 3, 2), **CONV),
    part("pixel unshuffle", lambda m, x: m.d(F.pixel_unshuffle(m.c(x)[..., :6, :6], 2)), c=nn.Conv2d(4, 2, 1), d=nn.Conv2d(8, 3, 2), **CONV),
    part("channel shuffle", lambda m, x: m.d(F.channel_shuffle(m.c(x), 3)), c=nn.Conv2d(4, 6, 1), d=nn.Conv2d(6, 3, 2), **CONV),
    part("layer_norm of pixels", layer_norm_of_pixels, g=VECTOR[:6], c=nn.Conv2d(4, 6, 1), d=nn.Conv2d(6, 2, 2), **CONV),
    part("layer_norm over two axes", lambda m, x: m.b(F.layer_norm(m.a(x), (5, 8), m.w)), w=torch.randn(5, 8, generator=G), **two()),
    part("rms_norm of a weighted value", lambda m, x: m.b(rms(m.g * m.a(x))), g=VECTOR, **two()),
    part("variance of a sample", lambda m, x: m.b((y := m.a(x)) * (y.var(-1, keepdim=True) + 1e-3).rsqrt()), **two()),
    part("deviation that is a value", lambda m, x: m.b(m.a(x).std(1)), **two()),
    part("norm and a number divide", lambda m, x: m.b((y := m.a(x)) / (y.norm(dim=-1, keepdim=True) + 0.1)), **two()),
    part("norm plus a value", lambda m, x: m.b((y := m.a(x)).norm(dim=-1, keepdim=True) + y), **two()),
    part("value plus a norm", lambda m, x: m.b((y := m.a(x)) + y.norm(dim=-1, keepdim=True)), **two()),
    part("norm minus a value", lambda m, x: m.b((y := m.a(x)).norm(dim=-1, keepdim=True) - y), **two()),
    part("value minus a norm", lambda m, x: m.b((y := m.a(x)) - y.norm(dim=-1, keepdim=True)), **two()),
    part("number minus a mean of squares", lambda m, x: m.b((y := m.a(x)) + (1 - y.square().mean(-1, keepdim=True))), **two()),
    part("square of a norm", lambda m, x: m.b((y := m.a(x)) + y.norm(dim=-1, keepdim=True) ** 2), **two()),
    part("clamped norm", lambda m, x: m.b((y := m.a(x)) * y.norm(dim=-1, keepdim=True).clamp(0.5, 2)), **two()),
    part("norm with a floor divides", lambda m, x: m.b((y := m.a(x)) / y.norm(dim=-1, keepdim=True).clamp(min=1e-6)), **two()),
    part("scaled addition", lambda m, x: m.b(torch.add(m.a(x), x, alpha=0.3)), **two()),
    part("scaled difference", lambda m, x: m.b(torch.sub(m.a(x), torch.relu(x), alpha=2)), **two()),
    part("scaled constant", lambda m, x: m.b(torch.add(m.a(x), m.g, alpha=-2)), g=VECTOR, **two()),
    part("reversed difference", lambda m, x: m.b(torch.rsub(m.a(x), m.g)), g=VECTOR, **two()),
    part("smallest along an axis", lambda m, x: m.b(m.a(x)).amin(1, keepdim=True), **two()),
    part("smallest with places", lambda m, x: m.b(m.a(x)).min(1)[0], **two()),
    part("smaller of two", lambda m, x: m.b(torch.min(m.a(x), x)), **two()),
    part("magnitude", lambda m, x: m.b(m.a(x).abs()), **two()),
    part("magnitude of what attention gives", lambda m, x: m.out(F.scaled_dot_product_attention(*heads(m, x)).abs()[:, 0].repeat(1, 1, 2)), **qkv()),
    part("magnitude of a negative inverse", lambda m, x: m.b((-1 / (torch.relu(m.a(x)) + 0.5)).abs()), **two()),
    part("magnitude of a norm", lambda m, x: m.b((y := m.a(x)) * y.norm(dim=-1, keepdim=True).abs()), **two()),
    part("softmax of what attention gives", lambda m, x: m.out(F.scaled_dot_product_attention(*heads(m, x)).softmax(2)[:, 0].repeat(1, 1, 2)), **qkv()),
    part("root of a softmax", lambda m, x: m.b(m.a(x).softmax(-1).sqrt()), **two()),
    part("inverse", lambda m, x: m.b(1 / (torch.relu(m.a(x)) + 0.5)), **two()),
    part("times an inverse", lambda m, x: m.b(x * torch.reciprocal(torch.relu(m.a(x)) + 0.5)), **two()),
    part("linear attention by an inverse", by_an_inverse, q=nn.Linear(8, 8), k=nn.Linear(8, 8), v=nn.Linear(8, 8)),
    part("log-sigmoid", lambda m, x: m.b(F.logsigmoid(m.a(x))), **two()),
    part("arctangent and cube", lambda m, x: m.b(torch.atan(m.a(x)) + x**3), **two()),
    part("instance norm", lambda m, x: m.d(m.n(m.c(x))), n=nn.InstanceNorm2d(6, affine=True), c=nn.Conv2d(4, 6, 1), d=nn.Conv2d(6, 2, 2), **CONV),
    part("instance norm of a sequence", lambda m, x: m.b(F.instance_norm(m.a(x))), **two()),
    part("instance norm with statistics", lambda m, x: m.d(m.n(m.c(x))), n=nn.InstanceNorm2d(6, track_running_stats=True), c=nn.Conv2d(4, 6, 1), d=nn.Conv2d(6, 2, 2), **CONV),
    part("transposed convolution of a sequence", lambda m, x: m.c(m.a(x)), a=nn.Linear(8, 8), c=nn.ConvTranspose1d(5, 3, 4, stride=2, padding=1, output_padding=1)),
    part("norms of other rows divide", lambda m, x: m.b(m.a(x) / m.c(x).norm(dim=-1, keepdim=True)), c=nn.Linear(8, 5), **two()),
    part("global response normalisation", global_response, g=VECTOR[:6], c=nn.Conv2d(4, 6, 1), d=nn.Conv2d(6, 2, 2), **CONV),
    part("division by its own sum", its_own_sum, **two()),
    part("division by what is above zero", lambda m, x: m.c(m.a(x) / (1 + m.b(x).exp())), **three()),
    part("linear attention", linear_attention, **qkv()),
    part("gain per pixel", lambda m, x: m.d(F.avg_pool2d(m.c(x), 3, 1, 1, count_include_pad=False)), c=nn.Conv2d(4, 6, 1), d=nn.Conv2d(6, 2, 2), **CONV),
    part("gain per token", lambda m, x: m.b(torch.relu(m.a(x)) * m.m), m=torch.randn(1, 5, 1, generator=G), **two()),
    part("transposed convolution", lambda m, x: m.d(m.c(x)), c=nn.ConvTranspose2d(4, 6, (3, 2), (2, 3), 1, (1, 0), groups=2), d=nn.Conv2d(6, 2, 2), **CONV),
    part("windows folded", lambda m, x: m.d(F.fold(m.c(x).flatten(2)[..., :16], (9, 8), (3, 2), stride=(2, 2), padding=(0, 0))), c=nn.Conv2d(4, 12, 1), d=nn.Conv2d(2, 2, 2), **CONV),
    part("written over", written_over, **two()),
    part("largest within the edges", lambda m, x: m.d(F.max_pool2d(F.pad(m.c(x), (0, 1, 0, 1), value=-torch.inf), 3, 2)), c=nn.Conv2d(4, 6, 1), d=nn.Conv2d(6, 2, 2), **CONV),
    part("biased softmax of no product", lambda m, x: m.b((m.a(x) + m.w).softmax(-1)), w=torch.randn(5, 8, generator=G), **two()),
    part("transposed softmax", transposed_weights, **qkv()),
    part("softmax behind its values", behind, **qkv()),
    part("padded keys", padded_keys, **three()),
    part("product with softmax's weights", lambda m, x: m.c(m.a(x).softmax(-1) * m.b(x)), **three()),
    part("sum that broadcasts", lambda m, x: m.b(m.a(x) + m.a(x).mean(1, keepdim=True)), **two()),
    part("constant that broadcasts", lambda m, x: m.b(torch.relu(m.a(x)[:, :1]) + m.m), m=torch.randn(1, 5, 8), **two()),
    part("gain that broadcasts", lambda m, x: m.b(torch.relu(m.a(x)[..., :1]) * m.g), g=VECTOR, **two()),
    part("scaled by mean and deviation", lambda m, x: m.b(spelled_scaler(m.a(x))[0]), **two()),
    part("scaled back by its deviation", scaled_back, **two(out=8)),
    part("filled like an activation", lambda m, x: m.b((y := m.a(x)) * torch.ones_like(y) + y.new_full((5, 8), 0.5)), **two()),
    part("rms_norm of a squared activation", lambda m, x: m.b(rms(torch.relu(m.a(x)).square())), **two()),
    part("rms_norm of what attention gives", lambda m, x: m.out(rms(F.scaled_dot_product_attention(*heads(m, x)))[:, 0].repeat(1, 1, 2)), **qkv()),
    part("constant expanded like an activation", lambda m, x: m.b((y := m.a(x)) + m.g.expand_as(y)), g=VECTOR, **two()),
    part("windows beyond the padding", lambda m, x: m.d(F.avg_pool2d(m.c(x), 3, 2, ceil_mode=True)), c=nn.Conv2d(4, 6, 1), d=nn.Conv2d(6, 2, 2), **CONV),
    part("a window beyond the image", lambda m, x: m.b(F.avg_pool2d(m.c(x), 64, ceil_mode=True).flatten(1)), c=nn.Conv2d(4, 8, 1), b=nn.Linear(8, 3), **CONV),
    part("norm times a constant", lambda m, x: m.b((y := m.a(x)) / (y.norm(dim=-1, keepdim=True) * 8**-0.5)), **two()),
    part("clamped from below", lambda m, x: m.b(m.a(x).clamp_min(-0.3)), **two()),
]  # fmt: skip


def shared_qk(m: Any, x: torch.Tensor) -> torch.Tensor:
    q = m.a(x)
    return F.scaled_dot_product_attention(q, q, m.b(x))


def shared_kv(m: Any, x: torch.Tensor) -> torch.Tensor:
    k = m.b(x)
    return F.scaled_dot_product_attention(m.a(x), k, k)


def key_used_elsewhere(m: Any, x: torch.Tensor) -> torch.Tensor:
    k = m.b(x)
    return F.scaled_dot_product_attention(m.a(x), k, m.c(x)) + k


def normalised_keys(m: Any, x: torch.Tensor) -> torch.Tensor:
    q, k = (F.layer_norm(layer(x), (8,)) for layer in (m.a, m.b))
    return F.scaled_dot_product_attention(q, k, m.c(x))


def one_key_for_all(gqa: bool) -> Forward:
    def forward(m: Any, x: torch.Tensor) -> torch.Tensor:
        q = m.a(x).reshape(1, 5, 2, 4).transpose(1, 2)
        k, v = (layer(x)[:, None, :, :4] for layer in (m.b, m.c))
        if not gqa:
            k, v = k.expand(1, 2, 5, 4), v.expand(1, 2, 5, 4)
        return F.scaled_dot_product_attention(q, k, v, enable_gqa=gqa)

    return forward


def changed_in_place(m: Any, x: torch.Tensor) -> torch.Tensor:
    y = m.a(x)
    y.relu_()
    return m.b(y)


DOUBTFUL = [
    part("softmax into linear", lambda m, x: m.b(m.a(x).softmax(-1)), **two()),
    part("softmax is the output", lambda m, x: m.a(x).softmax(-1), a=nn.Linear(8, 4)),
    part("softmax then mean", lambda m, x: m.a(x).softmax(-1).mean(1), a=nn.Linear(8, 4)),
    part("softmax then add", lambda m, x: m.a(x).softmax(-1) + m.a(x), a=nn.Linear(8, 4)),
    part("both are softmax weights", lambda m, x: m.b(m.a(x).softmax(-1) @ m.a(x).softmax(-1).transpose(-2, -1)), **two(5)),
    part("rsub", lambda m, x: 1.5 - m.a(x), a=nn.Linear(8, 4)),
    part("query is key", shared_qk, **three()),
    part("key is value", shared_kv, **three()),
    part("key used elsewhere", key_used_elsewhere, **three()),
    part("normalised queries and keys", normalised_keys, **three()),
    part("one key head", one_key_for_all(False), **three()),
    part("enable_gqa", one_key_for_all(True), **three()),
    part("sub with alpha", lambda m, x: torch.sub(m.a(x), m.b(x), alpha=2.0), **two(out=8)),
    part("add with alpha", lambda m, x: torch.add(m.a(x), m.b(x), alpha=2.0), **two(out=8)),
    part("div with rounding", lambda m, x: torch.div(m.a(x), 0.3, rounding_mode="floor"), a=nn.Linear(8, 4)),
    part("changed in place", changed_in_place, **two()),
    part("relu in place", lambda m, x: m.b(m.r(m.a(x))), r=nn.ReLU(inplace=True), **two()),
    part("padded normalised image", lambda m, x: m.c(x * 2 + 1), c=nn.Conv2d(4, 6, 3, padding=1), **CONV),
    part("softmax along rows", lambda m, x: m.b(m.a(x).softmax(1)), **two()),
    part("gain per token that broadcasts", lambda m, x: m.b(torch.relu(m.a(x)[:, :1]) * m.m), m=torch.randn(1, 5, 8), **two()),
    part("average beyond the edges", lambda m, x: F.avg_pool2d(F.pad(m.c(x), (0, 1, 0, 1), value=-torch.inf), 3, 2), c=nn.Conv2d(4, 6, 1), **CONV),
    part("division by what may be negative", lambda m, x: m.a(x) / m.b(x), **two(out=8)),
    part("division by what may be negative, shifted", lambda m, x: m.a(x) / (m.b(x).exp() - 0.5), **two(out=8)),
    part("root of a sum and a constant", lambda m, x: m.b(torch.sqrt(m.a(x).pow(2).sum(-1, keepdim=True) + 1.0) * m.a(x)), **two()),
]  # fmt: skip
