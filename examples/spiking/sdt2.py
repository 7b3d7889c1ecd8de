"""Spike-driven Transformer V2 (Meta-SpikeFormer): convolution blocks, then attention blocks with re-parameterised convolutions.

M. Yao et al., "Spike-driven Transformer V2: Meta Spiking Neural Network Architecture Inspiring the Design of Next-generation
Neuromorphic Chips", ICLR 2024. Modules have the names of the published checkpoints.

    convolution block:  X <- X + SepConv(X),  X <- X + BN(Conv3(SN(BN(Conv3(SN(X))))))
    attention block:    X <- X + BN(RepConv(SN(Q (K^T V) / 8))),  Q, K, V = SN(BN(RepConv(SN(X)))),  then an MLP

A RepConv is three convolutions in a row, without neurons between them: 1 x 1, 3 x 3 by channel, 1 x 1.
"""

from __future__ import annotations

from parts import conv, fold, join, lif, repeated, split
from torch import Tensor, nn

SCALE = 0.125


class NormAndPad(nn.Module):
    """Batch norm, and a border of what it makes of 0, as if the image had been padded before it."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.bn = nn.BatchNorm2d(width)

    def forward(self, x: Tensor) -> Tensor:
        bn = self.bn
        assert bn.running_mean is not None and bn.running_var is not None
        border = bn.bias.detach() - bn.running_mean * bn.weight.detach() / (bn.running_var + bn.eps).sqrt()
        border = border.view(1, -1, 1, 1)
        return nn.functional.pad(bn(x) - border, (1, 1, 1, 1)) + border


class RepConv(nn.Module):
    """A 3 x 3 convolution in three factors."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        depthwise = nn.Conv2d(inputs, inputs, 3, groups=inputs, bias=False)
        last = nn.Sequential(depthwise, nn.Conv2d(inputs, outputs, 1, bias=False), nn.BatchNorm2d(outputs))
        self.body = nn.Sequential(nn.Conv2d(inputs, inputs, 1, bias=False), NormAndPad(inputs), last)

    def forward(self, x: Tensor) -> Tensor:
        return self.body(x)


class SepConv(nn.Module):
    """A separable convolution of 7 x 7 on twice the channels."""

    def __init__(self, width: int) -> None:
        super().__init__()
        wide = 2 * width
        self.lif1, self.pwconv1, self.bn1 = lif(), nn.Conv2d(width, wide, 1, bias=False), nn.BatchNorm2d(wide)
        self.lif2, self.dwconv = lif(), nn.Conv2d(wide, wide, 7, padding=3, groups=wide, bias=False)
        self.pwconv2, self.bn2 = nn.Conv2d(wide, width, 1, bias=False), nn.BatchNorm2d(width)

    def forward(self, x: Tensor) -> Tensor:
        y = fold(self.lif1(x), self.pwconv1, self.bn1)
        return fold(self.lif2(y), self.dwconv, self.pwconv2, self.bn2)


class ConvBlock(nn.Module):
    """A separable convolution, and two of 3 x 3."""

    def __init__(self, width: int, ratio: int) -> None:
        super().__init__()
        self.Conv = SepConv(width)
        self.lif1, self.conv1, self.bn1 = lif(), conv(width, width * ratio), nn.BatchNorm2d(width * ratio)
        self.lif2, self.conv2, self.bn2 = lif(), conv(width * ratio, width), nn.BatchNorm2d(width)

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.Conv(x)
        y = fold(self.lif1(x), self.conv1, self.bn1)
        return x + fold(self.lif2(y), self.conv2, self.bn2)


class Attention(nn.Module):
    """Spiking self-attention that multiplies keys with values first."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads, self.head_lif, self.attn_lif = heads, lif(), lif(v_threshold=0.5)
        for name in ("q", "k", "v", "proj"):
            self.add_module(f"{name}_conv", nn.Sequential(RepConv(width, width), nn.BatchNorm2d(width)))
        self.q_lif, self.k_lif, self.v_lif = lif(), lif(), lif()

    def forward(self, x: Tensor) -> Tensor:
        spikes = self.head_lif(x)

        def fire(name: str) -> Tensor:
            y = getattr(self, f"{name}_lif")(fold(spikes, getattr(self, f"{name}_conv")))
            return split(y.flatten(3).transpose(-1, -2), self.heads)

        q, k, v = (fire(name) for name in ("q", "k", "v"))
        y = join(q @ (k.transpose(-2, -1) @ v) * SCALE).transpose(-1, -2)
        return fold(self.attn_lif(y).unflatten(-1, x.shape[-2:]), self.proj_conv)


class MLP(nn.Module):
    """Two layers on potentials."""

    def __init__(self, width: int, hidden: int) -> None:
        super().__init__()
        for name, inputs, outputs in (("fc1", width, hidden), ("fc2", hidden, width)):
            self.add_module(f"{name}_conv", nn.Conv1d(inputs, outputs, 1))
            self.add_module(f"{name}_bn", nn.BatchNorm1d(outputs))
            self.add_module(f"{name}_lif", lif())

    def forward(self, x: Tensor) -> Tensor:
        y = x.flatten(3)
        for name in ("fc1", "fc2"):
            y = fold(getattr(self, f"{name}_lif")(y), getattr(self, f"{name}_conv"), getattr(self, f"{name}_bn"))
        return y.unflatten(-1, x.shape[-2:])


class Block(nn.Module):
    """Attention and MLP."""

    def __init__(self, width: int, heads: int, ratio: int) -> None:
        super().__init__()
        self.attn, self.mlp = Attention(width, heads), MLP(width, width * ratio)

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.attn(x)
        return x + self.mlp(x)


class DownSampling(nn.Module):
    """A convolution; all but the first read spikes."""

    def __init__(self, inputs: int, outputs: int, size: int = 3, stride: int = 2, first: bool = False) -> None:
        super().__init__()
        self.encode_conv = conv(inputs, outputs, size, stride, bias=True)
        self.encode_bn = nn.BatchNorm2d(outputs)
        self.encode_lif = nn.Identity() if first else lif()

    def forward(self, x: Tensor) -> Tensor:
        return fold(self.encode_lif(x), self.encode_conv, self.encode_bn)


class MetaSpikeFormer(nn.Module):
    """Takes images (batch, channels, height, width), shown for T steps; logits are the mean over steps."""

    def __init__(
        self, channels: int = 3, classes: int = 1000, widths: tuple[int, ...] = (96, 192, 384, 480), heads: int = 8,
        depths: tuple[int, int] = (6, 2), ratio: int = 4, T: int = 1, first: tuple[int, int] = (7, 2), kd: bool = False,
    ) -> None:  # fmt: skip
        """``kd``: for checkpoints that were distilled, which have a second head that reads spikes."""
        super().__init__()
        self.T = T
        half = widths[0] // 2
        self.downsample1_1 = DownSampling(channels, half, *first, first=True)
        self.ConvBlock1_1 = nn.ModuleList([ConvBlock(half, ratio)])
        self.downsample1_2 = DownSampling(half, widths[0])
        self.ConvBlock1_2 = nn.ModuleList([ConvBlock(widths[0], ratio)])
        self.downsample2 = DownSampling(widths[0], widths[1])
        self.ConvBlock2_1 = nn.ModuleList([ConvBlock(widths[1], ratio)])
        self.ConvBlock2_2 = nn.ModuleList([ConvBlock(widths[1], ratio)])
        self.downsample3 = DownSampling(widths[1], widths[2])
        self.block3 = nn.ModuleList(Block(widths[2], heads, ratio) for _ in range(depths[0]))
        self.downsample4 = DownSampling(widths[2], widths[3], stride=1)
        self.block4 = nn.ModuleList(Block(widths[3], heads, ratio) for _ in range(depths[1]))
        self.head = nn.Linear(widths[3], classes)
        self.lif, self.head_kd = (lif(), nn.Linear(widths[3], classes)) if kd else (None, None)

    def forward(self, x: Tensor) -> Tensor:
        x = repeated(x, self.T)
        for name in (
            "downsample1_1", "ConvBlock1_1", "downsample1_2", "ConvBlock1_2", "downsample2", "ConvBlock2_1", "ConvBlock2_2",
            "downsample3", "block3", "downsample4", "block4",
        ):  # fmt: skip
            part = getattr(self, name)
            for layer in part if isinstance(part, nn.ModuleList) else [part]:
                x = layer(x)
        x = x.flatten(3).mean(3)
        if self.head_kd is None or self.lif is None:
            return self.head(x).mean(0)
        return (self.head(x).mean(0) + self.head_kd(self.lif(x)).mean(0)) / 2


def small(T: int = 2) -> nn.Module:
    """For Fashion-MNIST."""
    return MetaSpikeFormer(1, 10, (16, 24, 32, 48), heads=4, depths=(1, 1), ratio=2, T=T, first=(3, 2))
