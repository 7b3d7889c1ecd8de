"""Small models for Fashion-MNIST: the three architectures of the SIT-conversion paper, two ReLU networks,
and a vision transformer with ReLU.

    python examples/train_fashion.py uniformer --data DIR
    deploy convert --model examples/fashion_models.py:uniformer --weights out/fashion/uniformer.safetensors \\
        --calib out/fashion/calib.npz --eval out/fashion/test.npz --method sit -o out/uniformer

All take raw pixels in [0, 1], float32 (N, 1, 28, 28), and give logits (N, 10). The paper's pad them to 32 x 32. The
trained weights of the ReLU networks lie beside this file.
"""

from __future__ import annotations

from timm.layers.classifier import ClassifierHead
from timm.models.edgenext import EdgeNeXt
from timm.models.nextvit import ConvNormAct, NextConvBlock, NextStage, NextTransformerBlock
from timm.models.vision_transformer import VisionTransformer
from torch import Tensor, nn
from uniformer import UniFormer

CLASSES = 10


class Padded(nn.Module):
    """A model for 32 x 32 pixels that takes 28 x 28."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, x: Tensor) -> Tensor:
        return self.model(nn.functional.pad(x, (2, 2, 2, 2)))


def edgenext() -> nn.Module:
    """timm's EdgeNeXt in small: four stages on 16, 8, 4 and 2 pixels a side, three of which end in a transformer block."""
    dims = (16, 24, 32, 48)
    model = EdgeNeXt(
        in_chans=1, num_classes=CLASSES, dims=dims, depths=(1, 2, 2, 2), kernel_sizes=(3, 3, 3, 3), heads=(4, 4, 4, 4),
        d2_scales=(2, 2, 3, 4), ls_init_value=0.1,
    )  # fmt: skip
    model.stem[0] = nn.Conv2d(1, dims[0], 2, 2)  # patches of 2: the images are small
    return Padded(model)


def nextvit() -> nn.Module:
    """timm's Next-ViT blocks in small: three stages on 8, 4 and 2 pixels a side, the last two of which end in a
    transformer block.
    """
    act, norm = nn.ReLU, nn.BatchNorm2d
    stem, widths = (16, 8, 16), ((32,), (32, 64), (64, 64))

    def convolution(channels: int, width: int, stride: int) -> nn.Module:
        return ConvNormAct(channels, width, kernel_size=3, stride=stride, norm_layer=norm, act_layer=act)

    layers = [
        convolution(1, stem[0], 2), convolution(stem[0], stem[1], 1),
        convolution(stem[1], stem[2], 1), convolution(stem[2], stem[2], 2),
    ]  # fmt: skip
    channels = stem[-1]
    for stage, (outs, sr_ratio) in enumerate(zip(widths, (4, 2, 1), strict=True)):
        kinds = [NextConvBlock] * (len(outs) - (stage > 0)) + [NextTransformerBlock] * (stage > 0)
        layers.append(
            NextStage(
                channels, list(outs), kinds, stride=1 if stage == 0 else 2, sr_ratio=sr_ratio, mix_block_ratio=0.5,
                head_dim=16, norm_layer=norm, act_layer=act,
            )
        )  # fmt: skip
        channels = outs[-1]
    return Padded(nn.Sequential(*layers, norm(channels), ClassifierHead(channels, CLASSES)))


def uniformer() -> nn.Module:
    """UniFormer in small: convolution on 8, attention on 4 and 2 pixels a side, three attention blocks in all."""
    stages = {"widths": (24, 48, 64), "depths": (2, 2, 1), "patches": (4, 2, 2), "attention": (False, True, True)}
    return Padded(UniFormer(**stages, head_width=16, mlp_ratio=2.0, channels=1, classes=CLASSES))


def mlp() -> nn.Module:
    """Two hidden layers of 32 rectified linear units."""
    return nn.Sequential(
        nn.Flatten(), nn.Linear(784, 32), nn.ReLU(), nn.Linear(32, 32), nn.ReLU(), nn.Linear(32, CLASSES)
    )


def cnn() -> nn.Module:
    """Two convolutions of stride 2, 1,568 and 784 rectified linear units."""
    return nn.Sequential(
        nn.Conv2d(1, 8, 5, 2, 2), nn.ReLU(), nn.Conv2d(8, 16, 3, 2, 1), nn.ReLU(), nn.Flatten(), nn.Linear(784, CLASSES)
    )


def relu_vit() -> nn.Module:
    """A vision transformer whose MLPs have rectified linear units: 2 blocks of width 48, 49 patches and a class token."""
    return VisionTransformer(
        img_size=28, patch_size=4, in_chans=1, num_classes=CLASSES, embed_dim=48, depth=2, num_heads=3, mlp_ratio=4.0,
        act_layer=nn.ReLU,
    )  # fmt: skip
