"""Spike-driven Transformer: attention by masks, of additions alone; shortcuts add potentials.

M. Yao et al., "Spike-driven Transformer", NeurIPS 2023. Modules have the names of the published checkpoints.

    X <- X + BN(Conv(Q * SN(sum over tokens of K * V))),  Q, K, V = SN(BN(Conv(SN(X))))       * value by value
    X <- X + BN(Conv(SN(BN(Conv(SN(X))))))
"""

from __future__ import annotations

from parts import conv, fold, join, lif, pool, repeated, split
from torch import Tensor, nn


class Attention(nn.Module):
    """Spike-driven self-attention on potentials (T, batch, C, H, W); nothing reads `talking_heads`, which checkpoints have."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads, self.shortcut_lif, self.talking_heads_lif = heads, lif(), lif(v_threshold=0.5)
        for name in ("q", "k", "v"):
            self.add_module(f"{name}_conv", nn.Conv2d(width, width, 1, bias=False))
            self.add_module(f"{name}_bn", nn.BatchNorm2d(width))
            self.add_module(f"{name}_lif", lif())
        self.talking_heads = nn.Conv1d(heads, heads, 1, bias=False)
        self.proj_conv, self.proj_bn = nn.Conv2d(width, width, 1), nn.BatchNorm2d(width)

    def forward(self, x: Tensor) -> Tensor:
        spikes = self.shortcut_lif(x)

        def fire(name: str) -> Tensor:
            y = fold(spikes, getattr(self, f"{name}_conv"), getattr(self, f"{name}_bn"))
            return split(getattr(self, f"{name}_lif")(y).flatten(3).transpose(-1, -2), self.heads)

        q, k, v = (fire(name) for name in ("q", "k", "v"))
        mask = self.talking_heads_lif((k * v).sum(-2, keepdim=True))
        y = join(q * mask).transpose(-1, -2).unflatten(-1, x.shape[-2:])
        return x + fold(y, self.proj_conv, self.proj_bn)


class MLP(nn.Module):
    """Two layers on potentials."""

    def __init__(self, width: int, hidden: int) -> None:
        super().__init__()
        for name, inputs, outputs in (("fc1", width, hidden), ("fc2", hidden, width)):
            self.add_module(f"{name}_conv", nn.Conv2d(inputs, outputs, 1))
            self.add_module(f"{name}_bn", nn.BatchNorm2d(outputs))
            self.add_module(f"{name}_lif", lif())

    def forward(self, x: Tensor) -> Tensor:
        y = x
        for name in ("fc1", "fc2"):
            y = fold(getattr(self, f"{name}_lif")(y), getattr(self, f"{name}_conv"), getattr(self, f"{name}_bn"))
        return x + y


class Block(nn.Module):
    """Attention and MLP, each with its shortcut inside."""

    def __init__(self, width: int, heads: int, ratio: float) -> None:
        super().__init__()
        self.attn, self.mlp = Attention(width, heads), MLP(width, int(width * ratio))

    def forward(self, x: Tensor) -> Tensor:
        return self.mlp(self.attn(x))


class SPS(nn.Module):
    """Four convolutions and one for positions, whose shortcut is of potentials; `pools` say after which the image is halved."""

    def __init__(self, channels: int, width: int, pools: str) -> None:
        super().__init__()
        self.pools, inputs = pools, channels
        for i, outputs in enumerate((width // 8, width // 4, width // 2, width)):
            label = str(i or "")
            self.add_module(f"proj_conv{label}", conv(inputs, outputs))
            self.add_module(f"proj_bn{label}", nn.BatchNorm2d(outputs))
            self.add_module(f"proj_lif{label}", lif())
            self.add_module(f"maxpool{label}", pool())
            inputs = outputs
        self.rpe_conv, self.rpe_bn = conv(width, width), nn.BatchNorm2d(width)

    def forward(self, x: Tensor) -> Tensor:
        for i in range(4):
            label = str(i or "")
            x = fold(x, getattr(self, f"proj_conv{label}"), getattr(self, f"proj_bn{label}"))
            x = x if i == 3 else getattr(self, f"proj_lif{label}")(x)
            x = fold(x, getattr(self, f"maxpool{label}")) if self.pools[i] == "1" else x
        return x + fold(self.proj_lif3(x), self.rpe_conv, self.rpe_bn)


class SpikeDrivenTransformer(nn.Module):
    """Takes images (batch, channels, height, width), shown for T steps; logits are the mean over steps."""

    def __init__(
        self, channels: int = 3, classes: int = 10, width: int = 512, heads: int = 8, depth: int = 2, ratio: float = 4.0,
        T: int = 4, pools: str = "0011",
    ) -> None:  # fmt: skip
        super().__init__()
        self.T = T
        self.patch_embed = SPS(channels, width, pools)
        self.block = nn.ModuleList(Block(width, heads, ratio) for _ in range(depth))
        self.head_lif, self.head = lif(), nn.Linear(width, classes)

    def forward(self, x: Tensor) -> Tensor:
        x = self.patch_embed(repeated(x, self.T))
        for block in self.block:
            x = block(x)
        return self.head(self.head_lif(x.flatten(3).mean(3))).mean(0)


def small(T: int = 2) -> nn.Module:
    """For Fashion-MNIST."""
    return SpikeDrivenTransformer(1, 10, width=64, heads=4, depth=2, ratio=2.0, T=T, pools="1110")
