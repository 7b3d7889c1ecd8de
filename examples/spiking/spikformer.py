"""Spikformer: attention as a product of spikes, without softmax; shortcuts add spikes.

Z. Zhou et al., "Spikformer: When Spiking Neural Network Meets Transformer", ICLR 2023. Modules have the names of the published
checkpoints for CIFAR, so that `load_state_dict` takes one (`checkpoints.py`).

    attention(X) = SN(BN(Linear(SN(Q K^T V / 8))))        Q, K, V = SN(BN(Linear(X))), spikes
    X <- X + attention(X),  X <- X + mlp(X)
"""

from __future__ import annotations

from parts import conv, fold, join, lif, pool, repeated, split
from torch import Tensor, nn

SCALE = 0.125


class LinearNorm(nn.Module):
    """Base of modules with pairs NAME_linear, NAME_bn and a neuron NAME_lif."""

    def add(self, name: str, inputs: int, outputs: int) -> None:
        """Such a triple."""
        self.add_module(f"{name}_linear", nn.Linear(inputs, outputs))
        self.add_module(f"{name}_bn", nn.BatchNorm1d(outputs))
        self.add_module(f"{name}_lif", lif())

    def fire(self, name: str, x: Tensor) -> Tensor:
        """SN(BN(Linear(x))), x (T, batch, N, C)."""
        y = fold(x, getattr(self, f"{name}_linear"))
        return getattr(self, f"{name}_lif")(fold(y.transpose(-1, -2), getattr(self, f"{name}_bn")).transpose(-1, -2))


class SSA(LinearNorm):
    """Spiking self-attention."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads, self.attn_lif = heads, lif(v_threshold=0.5)
        for name in ("q", "k", "v", "proj"):
            self.add(name, width, width)

    def forward(self, x: Tensor) -> Tensor:
        q, k, v = (split(self.fire(name, x), self.heads) for name in ("q", "k", "v"))
        return self.fire("proj", self.attn_lif(join((q @ k.transpose(-2, -1)) * SCALE @ v)))


class MLP(LinearNorm):
    """Two layers."""

    def __init__(self, width: int, hidden: int) -> None:
        super().__init__()
        self.add("fc1", width, hidden)
        self.add("fc2", hidden, width)

    def forward(self, x: Tensor) -> Tensor:
        return self.fire("fc2", self.fire("fc1", x))


class Block(nn.Module):
    """Attention and MLP; the norms are in published checkpoints, and nothing reads them."""

    def __init__(self, width: int, heads: int, ratio: float) -> None:
        super().__init__()
        self.norm1, self.norm2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.attn, self.mlp = SSA(width, heads), MLP(width, int(width * ratio))

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.attn(x)
        return x + self.mlp(x)


class SPS(nn.Module):
    """Spiking patch splitting: four convolutions, of which `pools` halve the image, and one for positions."""

    def __init__(self, channels: int, width: int, pools: tuple[int, ...] = (2, 3)) -> None:
        super().__init__()
        self.pools, inputs = pools, channels
        for i, outputs in enumerate((width // 8, width // 4, width // 2, width)):
            label = str(i or "")
            self.add_module(f"proj_conv{label}", conv(inputs, outputs))
            self.add_module(f"proj_bn{label}", nn.BatchNorm2d(outputs))
            self.add_module(f"proj_lif{label}", lif())
            if i in pools:
                self.add_module(f"maxpool{label}", pool())
            inputs = outputs
        self.rpe_conv, self.rpe_bn, self.rpe_lif = conv(width, width), nn.BatchNorm2d(width), lif()

    def forward(self, x: Tensor) -> Tensor:
        for i in range(4):
            label = str(i or "")
            x = fold(x, getattr(self, f"proj_conv{label}"), getattr(self, f"proj_bn{label}"))
            x = getattr(self, f"proj_lif{label}")(x)
            x = fold(x, getattr(self, f"maxpool{label}")) if i in self.pools else x
        return x + self.rpe_lif(fold(x, self.rpe_conv, self.rpe_bn))


class Spikformer(nn.Module):
    """Takes images (batch, channels, height, width), shown for T steps; logits are the mean over steps."""

    def __init__(
        self, channels: int = 3, classes: int = 10, width: int = 384, heads: int = 12, depth: int = 4, ratio: float = 4.0,
        T: int = 4, pools: tuple[int, ...] = (2, 3),
    ) -> None:  # fmt: skip
        super().__init__()
        self.T = T
        self.patch_embed = SPS(channels, width, pools)
        self.block = nn.ModuleList(Block(width, heads, ratio) for _ in range(depth))
        self.head = nn.Linear(width, classes)

    def forward(self, x: Tensor) -> Tensor:
        x = self.patch_embed(repeated(x, self.T)).flatten(-2).transpose(-1, -2)
        for block in self.block:
            x = block(x)
        return self.head(x.mean(2).mean(0))


def small(T: int = 2) -> nn.Module:
    """For Fashion-MNIST: images of 28 x 28, of which 3 x 3 patches are left after pools by 2 three times and one of 4 x 4."""
    return Spikformer(1, 10, width=64, heads=4, depth=2, ratio=2.0, T=T, pools=(0, 1, 2))
