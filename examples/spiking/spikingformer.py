"""Spikingformer: neurons before the layers, so that shortcuts add potentials and every product has spikes in it.

C. Zhou et al., "Spikingformer: Spike-driven Residual Learning for Transformer-based Spiking Neural Network", 2023. Modules have
the names of the published checkpoints for CIFAR.

    X <- X + BN(Conv(SN(Q K^T V / 8))),  Q, K, V = SN(BN(Conv(SN(X))))
    X <- X + BN(Conv(SN(BN(Conv(SN(X))))))
"""

from __future__ import annotations

from parts import conv, fold, join, lif, pool, repeated, split
from torch import Tensor, nn

SCALE = 0.125


class Attention(nn.Module):
    """Spiking self-attention on potentials (T, batch, C, H, W)."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads, self.proj_lif, self.attn_lif = heads, lif(), lif(v_threshold=0.5)
        for name in ("q", "k", "v"):
            self.add_module(f"{name}_conv", nn.Conv1d(width, width, 1, bias=False))
            self.add_module(f"{name}_bn", nn.BatchNorm1d(width))
            self.add_module(f"{name}_lif", lif())
        self.proj_conv, self.proj_bn = nn.Conv1d(width, width, 1), nn.BatchNorm1d(width)

    def forward(self, x: Tensor) -> Tensor:
        spikes = self.proj_lif(x).flatten(3)

        def fire(name: str) -> Tensor:
            y = fold(spikes, getattr(self, f"{name}_conv"), getattr(self, f"{name}_bn"))
            return split(getattr(self, f"{name}_lif")(y).transpose(-1, -2), self.heads)

        q, k, v = (fire(name) for name in ("q", "k", "v"))
        y = join((q @ k.transpose(-2, -1)) @ v * SCALE).transpose(-1, -2)
        return fold(self.attn_lif(y), self.proj_conv, self.proj_bn).unflatten(-1, x.shape[-2:])


class MLP(nn.Module):
    """Two layers on potentials."""

    def __init__(self, width: int, hidden: int) -> None:
        super().__init__()
        for name, inputs, outputs in (("mlp1", width, hidden), ("mlp2", hidden, width)):
            self.add_module(f"{name}_lif", lif())
            self.add_module(f"{name}_conv", nn.Conv2d(inputs, outputs, 1))
            self.add_module(f"{name}_bn", nn.BatchNorm2d(outputs))

    def forward(self, x: Tensor) -> Tensor:
        for name in ("mlp1", "mlp2"):
            x = fold(getattr(self, f"{name}_lif")(x), getattr(self, f"{name}_conv"), getattr(self, f"{name}_bn"))
        return x


class Block(nn.Module):
    """Attention and MLP; the norms are in published checkpoints, and nothing reads them."""

    def __init__(self, width: int, heads: int, ratio: float) -> None:
        super().__init__()
        self.norm1, self.norm2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.attn, self.mlp = Attention(width, heads), MLP(width, int(width * ratio))

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.attn(x)
        return x + self.mlp(x)


class Tokenizer(nn.Module):
    """Five convolutions; the first reads pixels, the others spikes, of which `pools` are pooled first."""

    def __init__(self, channels: int, width: int, pools: tuple[int, ...] = (3, 4)) -> None:
        super().__init__()
        self.pools, inputs = pools, channels
        for i, outputs in enumerate((width // 8, width // 4, width // 2, width, width)):
            if i:
                self.add_module(f"block{i}_lif", lif())
            if i in pools:
                self.add_module(f"block{i}_mp", pool())
            self.add_module(f"block{i}_conv", conv(inputs, outputs))
            self.add_module(f"block{i}_bn", nn.BatchNorm2d(outputs))
            inputs = outputs

    def forward(self, x: Tensor) -> Tensor:
        for i in range(5):
            x = getattr(self, f"block{i}_lif")(x) if i else x
            x = fold(x, getattr(self, f"block{i}_mp")) if i in self.pools else x
            x = fold(x, getattr(self, f"block{i}_conv"), getattr(self, f"block{i}_bn"))
        return x


class Spikingformer(nn.Module):
    """Takes images (batch, channels, height, width), shown for T steps; logits are the mean over steps."""

    def __init__(
        self, channels: int = 3, classes: int = 10, width: int = 384, heads: int = 12, depth: int = 4, ratio: float = 4.0,
        T: int = 4, pools: tuple[int, ...] = (3, 4),
    ) -> None:  # fmt: skip
        super().__init__()
        self.T = T
        self.patch_embed = Tokenizer(channels, width, pools)
        self.block = nn.ModuleList(Block(width, heads, ratio) for _ in range(depth))
        self.head = nn.Linear(width, classes)

    def forward(self, x: Tensor) -> Tensor:
        x = self.patch_embed(repeated(x, self.T))
        for block in self.block:
            x = block(x)
        return self.head(x.flatten(3).mean(3).mean(0))


def small(T: int = 2) -> nn.Module:
    """For Fashion-MNIST."""
    return Spikingformer(1, 10, width=64, heads=4, depth=2, ratio=2.0, T=T, pools=(1, 2, 3))
