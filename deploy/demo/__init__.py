"""The bundled demo: a small vision transformer trained on Fashion-MNIST, and the images to try it on.

Everything here is read from files beside this one, so the demo runs without a network or a download.
`train.py` makes those files again; README.md says where they come from and how well the model does.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from safetensors.torch import load_file
from timm.models.vision_transformer import VisionTransformer
from torch import nn

FOLDER = Path(__file__).resolve().parent
WEIGHTS = "fashion_vit.safetensors"
IMAGES = "fashion.npz"

CLASSES: list[str] = [
    "T-shirt/top",
    "Trouser",
    "Pullover",
    "Dress",
    "Coat",
    "Sandal",
    "Shirt",
    "Sneaker",
    "Bag",
    "Ankle boot",
]
"""Names of the classes, by label."""


def fashion_vit() -> VisionTransformer:
    """The untrained architecture: timm's ViT with 4 blocks of width 64, 49 patches and a class token.

    Takes raw pixels in [0, 1], float32 (N, 1, 28, 28), without normalisation; gives logits (N, 10).
    """
    return VisionTransformer(
        img_size=28,
        patch_size=4,
        in_chans=1,
        num_classes=len(CLASSES),
        embed_dim=64,
        depth=4,
        num_heads=4,
        mlp_ratio=4.0,
    )


def load_model() -> nn.Module:
    """Load the trained model, float32, in evaluation mode."""
    model = fashion_vit()
    model.load_state_dict(load_file(FOLDER / WEIGHTS))
    return model.eval()


def calibration_data() -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """256 images of the training split, (256, 1, 28, 28) in [0, 1], and their labels (256,)."""
    return _read("calibration")


def evaluation_data() -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """1,000 images of the test split, (1000, 1, 28, 28) in [0, 1], and their labels (1000,)."""
    return _read("evaluation")


def to_pixels(images: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Grey levels 0..255 of shape (N, 28, 28) to the model's input: [0, 1], float32 (N, 1, 28, 28)."""
    return images[:, None].astype(np.float32) / np.float32(255)


def _read(part: str) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    with np.load(FOLDER / IMAGES) as archive:
        return to_pixels(archive[f"{part}_images"]), archive[f"{part}_labels"].astype(np.int64)
