"""SpikingResformer: a ResNet's stages with dual spike self-attention and group-wise feed-forward networks.

X. Shi et al., "SpikingResformer: Bridging ResNet and Vision Transformer in Spiking Neural Networks", CVPR 2024. Modules have
the names of the published checkpoints.

    DST(X, f) = f(X) W               one operand spikes, the other is what a strided convolution and its norm make of them
    attention:  A = SN(c1 DST(X)^T X),  X' = SN(c2 DST'(X) A),  X <- X + BN(Conv1(X'))       X = SN(X) inside
                c1 = 1 / sqrt(rate(X) d),  c2 = 1 / sqrt(rate(A) N'), rates by head, as training has seen them
    network:    Y = BN(Conv1(SN(X))),  X <- X + BN(Conv1(SN(Y + BN(GroupConv3(SN(Y))))))

The two transforms are the halves of one convolution with twice the channels, head by head.
"""

from __future__ import annotations

import torch
from parts import conv, fold, lif, pool, repeated
from torch import Tensor, nn

RATE = 0.5
"""Firing rates before anything has been seen; checkpoints have their own."""
MOMENTUM = 0.001


class BN(nn.Module):
    """A batch norm, one level down, as checkpoints name it."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.bn = nn.BatchNorm2d(width)

    def forward(self, x: Tensor) -> Tensor:
        return self.bn(x)


class Stack(nn.Sequential):
    """Neurons, a convolution and its norm, on (T, batch, C, H, W)."""

    def forward(self, x: Tensor) -> Tensor:
        neurons, *layers = self
        return fold(neurons(x), *layers)


class GWFFN(nn.Module):
    """Group-wise feed-forward network."""

    def __init__(self, width: int, group: int, ratio: int = 4) -> None:
        super().__init__()
        wide = width * ratio
        grouped = nn.Conv2d(wide, wide, 3, padding=1, groups=wide // group, bias=False)
        self.up = Stack(lif(), conv(width, wide, 1), BN(wide))
        self.conv = nn.ModuleList([Stack(lif(), grouped, BN(wide))])
        self.down = Stack(lif(), conv(wide, width, 1), BN(width))

    def forward(self, x: Tensor) -> Tensor:
        y = self.up(x)
        z = y
        for part in self.conv:
            z = part(z)
        return x + self.down(y + z)


class DSSA(nn.Module):
    """Dual spike self-attention; ``length``: how many positions the transforms leave, which are patches of ``patch`` pixels."""

    firing_rate_x: Tensor
    firing_rate_attn: Tensor

    def __init__(self, width: int, heads: int, length: int, patch: int) -> None:
        super().__init__()
        self.heads, self.each, self.length = heads, width // heads, length
        for name in ("x", "attn"):
            self.register_buffer(f"firing_rate_{name}", torch.full((1, 1, heads, 1, 1), RATE))
        self.activation_in, self.activation_attn, self.activation_out = lif(), lif(), lif()
        self.W, self.norm = nn.Conv2d(width, 2 * width, patch, patch, bias=False), BN(2 * width)
        self.Wproj, self.norm_proj = conv(width, width, 1), BN(width)

    def forward(self, x: Tensor) -> Tensor:
        spikes = self.activation_in(x)
        both = fold(spikes, self.W, self.norm).flatten(3).unflatten(2, (self.heads, 2 * self.each))
        keys, values = both[:, :, :, : self.each], both[:, :, :, self.each :]
        inside = spikes.flatten(3).unflatten(2, (self.heads, self.each))
        meets = keys.transpose(-1, -2) @ inside
        attention = self.activation_attn(meets * self.scale(self.firing_rate_x, inside, self.each))
        y = (values @ attention) * self.scale(self.firing_rate_attn, attention, self.length)
        y = self.activation_out(y.flatten(2, 3).unflatten(-1, x.shape[-2:]))
        return x + fold(y, self.Wproj, self.norm_proj)

    def scale(self, rate: Tensor, spikes: Tensor, size: int) -> Tensor:
        """1 / sqrt(rate size), by head; in training the rate follows the spikes."""
        if self.training:
            rate.lerp_(spikes.detach().mean((0, 1, 3, 4), keepdim=True), MOMENTUM)
        return 1 / (rate * size).sqrt()


class DownsampleLayer(nn.Module):
    """Neurons and a convolution of stride 2."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.activation, self.conv, self.norm = lif(), conv(inputs, outputs, 3, 2), BN(outputs)

    def forward(self, x: Tensor) -> Tensor:
        return fold(self.activation(x), self.conv, self.norm)


class SpikingResformer(nn.Module):
    """Takes images (batch, channels, height, width), shown for T steps; puts out the logits of every step, (T, batch, classes).

    ``depths``: pairs of attention and network in each stage. ``plain``: the first convolution is 3 x 3 without a pool, as for
    CIFAR.
    """

    def __init__(
        self, channels: int = 3, classes: int = 1000, widths: tuple[int, ...] = (64, 192, 384),
        heads: tuple[int, ...] = (1, 3, 6), patches: tuple[int, ...] = (4, 2, 1), depths: tuple[int, ...] = (1, 2, 3),
        size: int = 224, T: int = 4, group: int = 64, plain: bool = False,
    ) -> None:  # fmt: skip
        super().__init__()
        self.T = T
        first = conv(channels, widths[0]) if plain else conv(channels, widths[0], 7, 2)
        self.prologue = nn.Sequential(first, BN(widths[0]), *([] if plain else [pool()]))
        side, stages, before = size if plain else size // 4, [], 0
        for width, head, patch, depth in zip(widths, heads, patches, depths, strict=True):
            stage: list[nn.Module] = [DownsampleLayer(before, width)] if before else []
            side = side // 2 if before else side
            for _ in range(depth):
                stage += [DSSA(width, head, (side // patch) ** 2, patch), GWFFN(width, group)]
            stages.append(nn.Sequential(*stage))
            before = width
        self.layers = nn.Sequential(*stages)
        self.classifier = nn.Linear(before, classes, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        x = self.layers(fold(repeated(x, self.T), *self.prologue))
        return self.classifier(x.flatten(3).mean(3))


class Averaged(SpikingResformer):
    """The same, with the mean of all steps' logits, which the published evaluation takes."""

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x).mean(0)


def small(T: int = 2) -> nn.Module:
    """For Fashion-MNIST: stages on 14 and 7 pixels a side after a 7 x 7 convolution of stride 2."""
    model = Averaged(1, 10, (16, 32), (1, 2), (2, 1), (1, 1), 28, T, group=16, plain=True)
    model.prologue[0] = conv(1, 16, 7, 2)
    return model
