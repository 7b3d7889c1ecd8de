"""QKFormer: token attention of queries and keys alone in the first stages, spiking self-attention in the last.

C. Zhou et al., "QKFormer: Hierarchical Spiking Transformer using Q-K Attention", NeurIPS 2024. Modules have the names of the
published checkpoints for CIFAR.

    token attention:    SN(BN(Conv(SN(sum over a head's channels of Q) * K)))      Q, K = SN(BN(Conv(X))), * value by value
    channel attention:  the same with the sum over tokens
    self-attention:     SN(BN(Conv(SN(Q (K^T V) / 8))))
    X <- X + attention(X),  X <- X + mlp(X)
"""

from __future__ import annotations

from parts import conv, fold, join, lif, pool, repeated, split
from torch import Tensor, nn

SCALE = 0.125


class Fired(nn.Module):
    """Base of modules with triples NAME_conv, NAME_bn, NAME_lif."""

    def add(self, name: str, layer: nn.Module, width: int, norm: type[nn.Module] = nn.BatchNorm2d) -> None:
        """Such a triple."""
        self.add_module(f"{name}_conv", layer)
        self.add_module(f"{name}_bn", norm(width))
        self.add_module(f"{name}_lif", lif())

    def fire(self, name: str, x: Tensor) -> Tensor:
        """SN(BN(Conv(x)))."""
        return getattr(self, f"{name}_lif")(fold(x, getattr(self, f"{name}_conv"), getattr(self, f"{name}_bn")))


class QKAttention(Fired):
    """Of tokens, or of channels; on spikes (T, batch, C, H, W)."""

    def __init__(self, width: int, heads: int, channels: bool = False) -> None:
        super().__init__()
        self.heads, self.axis, self.attn_lif = heads, 4 if channels else 3, lif(v_threshold=0.5)
        for name in ("q", "k"):
            self.add(name, nn.Conv1d(width, width, 1, bias=False), width, nn.BatchNorm1d)
        self.add("proj", nn.Conv1d(width, width, 1), width, nn.BatchNorm1d)

    def forward(self, x: Tensor) -> Tensor:
        spikes = x.flatten(3)
        q, k = (self.fire(name, spikes).unflatten(2, (self.heads, -1)) for name in ("q", "k"))
        mask = self.attn_lif(q.sum(self.axis, keepdim=True))
        y = (mask * k).flatten(2, 3)
        return self.proj_lif(fold(y, self.proj_conv, self.proj_bn).unflatten(-1, x.shape[-2:]))


class SSA(Fired):
    """Spiking self-attention."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads, self.attn_lif = heads, lif(v_threshold=0.5)
        for name in ("q", "k", "v"):
            self.add(name, nn.Conv1d(width, width, 1, bias=False), width, nn.BatchNorm1d)
        self.add("proj", nn.Conv1d(width, width, 1), width, nn.BatchNorm1d)

    def forward(self, x: Tensor) -> Tensor:
        spikes = x.flatten(3)
        q, k, v = (split(self.fire(name, spikes).transpose(-1, -2), self.heads) for name in ("q", "k", "v"))
        y = join(q @ (k.transpose(-2, -1) @ v) * SCALE).transpose(-1, -2)
        return self.fire("proj", self.attn_lif(y)).unflatten(-1, x.shape[-2:])


class MLP(Fired):
    """Two layers."""

    def __init__(self, width: int, hidden: int) -> None:
        super().__init__()
        self.add("mlp1", nn.Conv2d(width, hidden, 1), hidden)
        self.add("mlp2", nn.Conv2d(hidden, width, 1), width)

    def forward(self, x: Tensor) -> Tensor:
        return self.fire("mlp2", self.fire("mlp1", x))


class Block(nn.Module):
    """An attention, called `tssa` or `ssa`, and an MLP."""

    def __init__(self, name: str, attention: nn.Module, width: int, ratio: float) -> None:
        super().__init__()
        self.attention = name
        self.add_module(name, attention)
        self.mlp = MLP(width, int(width * ratio))

    def forward(self, x: Tensor) -> Tensor:
        x = x + getattr(self, self.attention)(x)
        return x + self.mlp(x)


class Init(Fired):
    """Patch embedding of pixels; ``pooled``: images are halved before the first neurons, which takes a quarter of the time."""

    def __init__(self, channels: int, width: int, pooled: bool = False) -> None:
        super().__init__()
        self.add("proj", conv(channels, width // 2), width // 2)
        self.proj_maxpool = pool() if pooled else nn.Identity()
        self.add("proj1", conv(width // 2, width), width)
        self.add("proj_res", conv(width // 2, width, 1), width)

    def forward(self, x: Tensor) -> Tensor:
        x = self.proj_lif(fold(x, self.proj_conv, self.proj_bn, self.proj_maxpool))
        return self.fire("proj1", x) + self.fire("proj_res", x)


class Stage(Fired):
    """Patch embedding of spikes on half the pixels a side; potentials are pooled before they fire."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.add("proj3", conv(width // 2, width), width)
        self.add("proj4", conv(width, width), width)
        self.proj4_maxpool = pool()
        self.add("proj_res", conv(width // 2, width, 1, stride=2), width)

    def forward(self, x: Tensor) -> Tensor:
        y = fold(self.fire("proj3", x), self.proj4_conv, self.proj4_bn, self.proj4_maxpool)
        return self.proj4_lif(y) + self.fire("proj_res", x)


class QKFormer(nn.Module):
    """Takes images (batch, channels, height, width), shown for T steps; logits are the mean over steps."""

    def __init__(
        self, channels: int = 3, classes: int = 10, width: int = 384, heads: int = 8, depth: int = 4, ratio: float = 4.0,
        T: int = 4, attend_channels: bool = False, pooled: bool = False,
    ) -> None:  # fmt: skip
        super().__init__()
        self.T = T
        quarter, half = width // 4, width // 2
        self.patch_embed1, self.patch_embed2, self.patch_embed3 = (
            Init(channels, quarter, pooled),
            Stage(half),
            Stage(width),
        )
        first, second = (Block("tssa", QKAttention(w, heads, attend_channels), w, ratio) for w in (quarter, half))
        self.stage1, self.stage2 = nn.ModuleList([first]), nn.ModuleList([second])
        self.stage3 = nn.ModuleList(Block("ssa", SSA(width, heads), width, ratio) for _ in range(depth - 2))
        self.head = nn.Linear(width, classes)

    def forward(self, x: Tensor) -> Tensor:
        x = repeated(x, self.T)
        for i in (1, 2, 3):
            x = getattr(self, f"patch_embed{i}")(x)
            for block in getattr(self, f"stage{i}"):
                x = block(x)
        return self.head(x.flatten(3).mean(3).mean(0))


def small(T: int = 2) -> nn.Module:
    """For Fashion-MNIST: stages on 14, 7 and 4 pixels a side."""
    return QKFormer(1, 10, width=64, heads=4, depth=3, ratio=2.0, T=T, pooled=True)
