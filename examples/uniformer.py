"""UniFormer: convolution relates neighbours in the first two stages, self-attention relates all tokens in the last two.

    deploy convert --model examples/uniformer.py:uniformer_small --weights random --calib images/ -o out/uniformer

Defined here because timm has none. Source: Li et al., *UniFormer: Unifying Convolution and Self-attention for Visual
Recognition* (IEEE TPAMI 45, 2023), sections 3.1-3.4. Sizes of S and B are the paper's; XXS keeps its depths and widths
but none of its token shrinking.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn


class ConvBlock(nn.Module):
    """Local relations, (N, C, H, W): position by a depthwise convolution, 5x5 affinity, feed-forward by 1x1 kernels."""

    def __init__(self, width: int, mlp_ratio: float, kernel: int = 5) -> None:
        super().__init__()
        hidden = int(width * mlp_ratio)
        self.position = nn.Conv2d(width, width, 3, padding=1, groups=width)
        self.relate = nn.Sequential(
            nn.BatchNorm2d(width),
            nn.Conv2d(width, width, 1),
            nn.Conv2d(width, width, kernel, padding=kernel // 2, groups=width),
            nn.Conv2d(width, width, 1),
        )
        self.mlp = nn.Sequential(
            nn.BatchNorm2d(width), nn.Conv2d(width, hidden, 1), nn.GELU(), nn.Conv2d(hidden, width, 1)
        )

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.position(x)
        x = x + self.relate(x)
        return x + self.mlp(x)


class Attention(nn.Module):
    """Multi-head self-attention over tokens (N, L, C)."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.qkv = nn.Linear(width, 3 * width)
        self.project = nn.Linear(width, width)

    def forward(self, x: Tensor) -> Tensor:
        n, tokens, width = x.shape
        qkv = self.qkv(x).reshape(n, tokens, 3, self.heads, width // self.heads).permute(2, 0, 3, 1, 4)
        q, k, v = qkv.unbind(0)
        y = nn.functional.scaled_dot_product_attention(q, k, v)
        return self.project(y.transpose(1, 2).reshape(n, tokens, width))


class AttentionBlock(nn.Module):
    """Global relations, (N, C, H, W): a transformer block behind a depthwise position encoding."""

    def __init__(self, width: int, heads: int, mlp_ratio: float) -> None:
        super().__init__()
        hidden = int(width * mlp_ratio)
        self.position = nn.Conv2d(width, width, 3, padding=1, groups=width)
        self.norm1, self.attention = nn.LayerNorm(width), Attention(width, heads)
        self.norm2 = nn.LayerNorm(width)
        self.mlp = nn.Sequential(nn.Linear(width, hidden), nn.GELU(), nn.Linear(hidden, width))

    def forward(self, x: Tensor) -> Tensor:
        shape = x.shape
        x = (x + self.position(x)).flatten(2).transpose(1, 2)
        x = x + self.attention(self.norm1(x))
        x = x + self.mlp(self.norm2(x))
        return x.transpose(1, 2).reshape(shape)


class PatchEmbedding(nn.Module):
    """Patches that do not overlap, and LayerNorm over their channels."""

    def __init__(self, channels: int, width: int, patch: int) -> None:
        super().__init__()
        self.project = nn.Conv2d(channels, width, patch, patch)
        self.norm = nn.LayerNorm(width)

    def forward(self, x: Tensor) -> Tensor:
        return self.norm(self.project(x).permute(0, 2, 3, 1)).permute(0, 3, 1, 2)


class UniFormer(nn.Module):
    """Four stages, by default convolution, convolution, attention, attention, and a linear head on the mean."""

    def __init__(
        self,
        widths: Sequence[int] = (64, 128, 320, 512),
        depths: Sequence[int] = (3, 4, 8, 3),
        patches: Sequence[int] = (4, 2, 2, 2),
        attention: Sequence[bool] = (False, False, True, True),
        head_width: int = 64,
        mlp_ratio: float = 4.0,
        channels: int = 3,
        classes: int = 1000,
    ) -> None:
        super().__init__()
        self.stages = nn.ModuleList()
        for width, depth, patch, attends in zip(widths, depths, patches, attention, strict=True):
            blocks: list[nn.Module] = [PatchEmbedding(channels, width, patch)]
            for _ in range(depth):
                blocks.append(
                    AttentionBlock(width, width // head_width, mlp_ratio) if attends else ConvBlock(width, mlp_ratio)
                )
            self.stages.append(nn.Sequential(*blocks))
            channels = width
        self.norm = nn.BatchNorm2d(channels)
        self.head = nn.Linear(channels, classes)

    def forward(self, x: Tensor) -> Tensor:
        for stage in self.stages:
            x = stage(x)
        return self.head(self.norm(x).flatten(2).mean(-1))


def uniformer_xxs() -> UniFormer:
    """2, 5, 8, 2 blocks of width 56 to 448: 10 of them attend, as in the SIT-conversion paper."""
    return UniFormer((56, 112, 224, 448), (2, 5, 8, 2), head_width=28, mlp_ratio=3.0)


def uniformer_small() -> UniFormer:
    """UniFormer-S: 3, 4, 8, 3 blocks."""
    return UniFormer()


def uniformer_base() -> UniFormer:
    """UniFormer-B: 5, 8, 20, 7 blocks."""
    return UniFormer(depths=(5, 8, 20, 7))


if __name__ == "__main__":
    for build in (uniformer_xxs, uniformer_small, uniformer_base):
        model = build().eval()
        with torch.no_grad():
            shape = tuple(model(torch.zeros(1, 3, 224, 224)).shape)
        print(f"{build.__name__}: {sum(p.numel() for p in model.parameters()) / 1e6:.2f} M parameters, output {shape}")
