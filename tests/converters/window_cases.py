"""Modules as users write them: windows along three axes, several images in one sample, and parts that are written over."""

# ruff: noqa: E501 - a table with one case a line

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from tests.converters.lowering_cases import TOKENS, VECTOR, Forward, part, qkv, two

VOLUME, IMAGES = (4, 5, 6, 6), (3, 4, 6, 6)


def volume(name: str, layer: nn.Module) -> Any:
    """A layer between two convolutions along three axes."""
    return part(name, lambda m, x: m.d(m.l(m.c(x))), c=nn.Conv3d(4, 6, 1), l=layer, d=nn.Conv3d(6, 2, 2), shape=VOLUME)


def images(name: str, forward: Forward, **parts: Any) -> Any:
    """What a module does with several images (3, 4, 6, 6) at once."""
    return part(name, lambda m, x: forward(m, x.reshape(IMAGES)).reshape(1, -1), shape=(3 * 4 * 6 * 6,), **parts)


def overlapping(x: torch.Tensor, axis: int) -> torch.Tensor:
    """Longformer's: windows that overlap by half, as a view of memory, of a tensor whose tokens may not lie side by side."""
    x = x.transpose(-1, -2) if axis else x
    stride = list(x.stride())
    return x.as_strided((1, 3, 2, x.shape[-1]), (stride[0], stride[1], stride[1], stride[2]))


def local_attention(m: Any, x: torch.Tensor) -> torch.Tensor:
    """Attention whose mask is written into the logits range by range, above what is masked already."""
    q, k, v = m.qkv(x).reshape(1, 5, 3, 2, 4).permute(2, 0, 3, 1, 4).unbind(0)
    logits = (0.5 * q @ k.mT).masked_fill(~torch.ones(5, 5, dtype=torch.bool).tril(2), -torch.inf)
    logits[:, :, :2, 3:] = -torch.inf
    logits = logits + torch.where(torch.ones(5, 5, dtype=torch.bool).triu(-2), 0.25 * torch.arange(5.0), -1e9)
    return m.out((logits.softmax(-1) @ v).transpose(1, 2).reshape(1, 5, 8))


def written(m: Any, x: torch.Tensor) -> torch.Tensor:
    """Places of a value, and of a constant, that are written over by values, and by constants."""
    y, z = m.a(x)[..., :4].clone(), torch.ones(1, 5, 4)
    y[:, [0, 3], 1:3] = m.b(x)[:, :2, 1:3]
    z[:, torch.tensor([True, False, True, True, False])] = m.b(x)[:, 1:4]
    y[:, 2, [0, 3]] = torch.tensor([0.5, -0.25])
    return y + z


def padded_rows(m: Any, x: torch.Tensor) -> torch.Tensor:
    """Rows of padding have no key, and what they attend to is multiplied by 0."""
    q, k, v = m.qkv(x).reshape(1, 5, 3, 2, 4).permute(2, 0, 3, 1, 4).unbind(0)
    taking = torch.tensor([1.0, 1.0, 1.0, 0.0, 0.0])
    mask = torch.where(taking[:, None] * taking > 0, 0.0, torch.finfo(torch.float32).min)
    weights = (0.5 * q @ k.mT + mask).softmax(-1).masked_fill(taking[:, None] == 0, 0.0)
    return m.out((weights @ v).transpose(1, 2).reshape(1, 5, 8))


def in_place(name: str, change: Callable[[torch.Tensor], Any]) -> Any:
    """A change in place of a part of a value, which changes the value."""

    def forward(m: Any, x: torch.Tensor) -> torch.Tensor:
        y = 1.5 * m.a(x)
        change(y)
        return m.b(y)

    return part(f"in place: {name}", forward, **two())


def chunks(y: torch.Tensor) -> None:
    first, second = y.chunk(2, -1)
    first.relu_()
    second.mul_(first)


def seen_before(m: Any, x: torch.Tensor) -> torch.Tensor:
    """A view that is taken before what it shows is changed; and what dropout, which does nothing here, gives."""
    y = m.a(x)
    view, z = y[:, 1:3], F.dropout(y, training=False)
    z.relu_()
    return m.b(view)


PLACES = torch.linspace(-0.9, 0.8, 60).reshape(1, 5, 6, 2)


def shared_norm(m: Any, x: torch.Tensor) -> torch.Tensor:
    """One LayerNorm for several layers' normalised outputs, as in decoders that detect objects."""
    first = F.layer_norm(m.a(x), (8,), VECTOR, VECTOR)
    second = F.layer_norm(x, (8,), VECTOR, VECTOR)
    return m.b(m.n(first[:, 1:])) + m.b(m.n(second[:, 1:]))


SHARED: list[Any] = [
    in_place("sum", lambda y: y[:, :2].add_(1)),
    in_place("columns", lambda y: y.transpose(1, 2)[:, 3:5].mul_(-2)),
    in_place("activation", lambda y: F.silu(y[..., 2:6], inplace=True)),
    in_place("fill by a mask", lambda y: y[:, 1].masked_fill_(torch.arange(8) > 4, 0.5)),
    part("in place: seen before", seen_before, **two()),
]  # fmt: skip
"""Changes in place of memory that several tensors share, by operations that have a spiking form themselves."""

ACCEPTED: list[Any] = [
    *SHARED,
    volume("conv3d", nn.Conv3d(6, 6, 3, padding=1)),
    volume("conv3d geometry", nn.Conv3d(6, 6, (2, 3, 2), (2, 1, 1), (1, 1, 0), (2, 1, 1), groups=2)),
    volume("conv3d along time", nn.Conv3d(6, 6, (3, 1, 1), padding="same", groups=6)),
    volume("conv3d of normalised frames", nn.Sequential(nn.BatchNorm3d(6), nn.Conv3d(6, 6, 3, padding=1, bias=False), nn.BatchNorm3d(6), nn.ReLU())),
    volume("transposed conv3d", nn.ConvTranspose3d(6, 6, (2, 3, 2), (2, 1, 2), (0, 1, 0), (1, 0, 0), groups=2)),
    volume("average of blocks", nn.AvgPool3d(2)),
    volume("average of blocks, padded", nn.AvgPool3d(3, 2, 1)),
    volume("average of blocks, padding left out", nn.AvgPool3d(3, 2, 1, count_include_pad=False)),
    volume("average of blocks beyond the edges", nn.AvgPool3d(3, 2, ceil_mode=True)),
    volume("adaptive average of equal blocks", nn.AdaptiveAvgPool3d((5, 3, 2))),
    volume("adaptive average of blocks", nn.AdaptiveAvgPool3d((3, 4, 2))),
    images("conv3d of each image", lambda m, x: m.c(x.reshape(3, 2, 2, 6, 6)), c=nn.Conv3d(2, 3, (2, 2, 3), padding=(1, 0, 1))),
    images("patches of each image", lambda m, x: m.c(x.reshape(3, 2, 2, 6, 6)), c=nn.Conv3d(2, 3, (2, 3, 3), (2, 3, 3))),
    images("group norm of each image", lambda m, x: m.d(m.n(m.c(x))), c=nn.Conv2d(4, 6, 1), n=nn.GroupNorm(3, 6), d=nn.Conv2d(6, 2, 2)),
    images("instance norm of each image", lambda m, x: m.d(m.n(m.c(x))), c=nn.Conv2d(4, 6, 1), n=nn.InstanceNorm2d(6), d=nn.Conv2d(6, 2, 2)),
    images("transposed convolution of each image", lambda m, x: m.c(x), c=nn.ConvTranspose2d(4, 3, 3, 2, 1)),
    images("windows folded of each image", lambda m, x: F.fold(m.c(x).flatten(2)[..., :9], (6, 6), 2, stride=2), c=nn.Conv2d(4, 8, 1)),
    images("pixels at places between", lambda m, x: m.d(F.grid_sample(m.c(x), m.g, align_corners=False)), c=nn.Conv2d(4, 6, 1), g=PLACES.expand(3, -1, -1, -1), d=nn.Conv2d(6, 2, 2)),
    part("overlapping windows", lambda m, x: m.b(overlapping(m.a(x), 0)), **two()),
    part("overlapping windows of columns", lambda m, x: overlapping(m.a(x)[..., :4], 1).flatten(2)[..., :4] + m.b(x)[:, :3], **two(out=4)),
    part("a mask written range by range", local_attention, **qkv()),
    part("places written over", written, **two(out=4)),
    in_place("halves", chunks),
    in_place("fill by places", lambda y: y[:, :3].index_fill_(2, torch.tensor([1, 4]), -1.0)),
    in_place("copy to places", lambda y: y.index_copy_(1, torch.tensor([3, 0]), y[:, 1:3].clone())),
    in_place("copy to a mask", lambda y: y.masked_scatter_(torch.arange(8) % 3 == 0, y.flatten()[20:35].clone())),
    in_place("scatter", lambda y: y.scatter_(2, torch.tensor([1, 0, 5]).expand(1, 5, 3), y[..., 4:7] + 1)),
    in_place("scatter of a number", lambda y: y.scatter_(1, torch.tensor([[[1, 0, 4]]]), 0.25)),
    in_place("range with gaps", lambda y: y[:, ::2].copy_(y[:, :3] + 1)),
    part("function of padding", lambda m, x: m.b(torch.sigmoid(F.pad(m.a(x), (0, 0, 1, 2)))), **two()),
    part("function of padding with a number", lambda m, x: m.b(F.relu(F.pad(m.a(x), (0, 0, 1, 0), value=0.3)) ** 2), **two()),
    part("function of a triangle", lambda m, x: m.b(torch.tril(m.a(x)).exp()), **two()),
    part("one norm for two", shared_norm, n=nn.LayerNorm(8), **two()),
    part("rows of padding", padded_rows, **qkv()),
    part("masked logits beside masked logits", lambda m, x: torch.cat([m.a(x)[..., :4].masked_fill(m.mask, -torch.inf), m.b(x)], -1).softmax(-1), mask=torch.eye(5, dtype=torch.bool)[:, :4], **two(out=4)),
    part("masked logits above others", lambda m, x: torch.cat([m.b(x).masked_fill(m.mask, -torch.inf), torch.zeros(1, 1, 4)], 1).softmax(-1), mask=torch.eye(5, dtype=torch.bool)[:, :4], **two(out=4)),
]  # fmt: skip

REFUSED: list[Any] = [
    pytest.param(lambda x: F.grid_sample(x.reshape(IMAGES), torch.stack([PLACES[0], PLACES[0] / 2, PLACES[0]]), align_corners=False), "another grid for each image", (432,), id="grids"),
    pytest.param(lambda x: F.grid_sample(x.reshape(IMAGES)[:1], x.reshape(IMAGES)[:1, :, :, :2], align_corners=False), "depends on the input", (432,), id="grid of the input"),
    pytest.param(lambda x: F.batch_norm(x.reshape(IMAGES), None, None, training=True), "normalises by the batch", (432,), id="batch"),
    pytest.param(lambda x: torch.zeros(5, 8).index_put((torch.tensor([0, 0]),), x[0, :2], accumulate=True) + x, "a sum over places", TOKENS, id="sums"),
]  # fmt: skip
"""Functions, why they are refused, and the sample's shape."""
