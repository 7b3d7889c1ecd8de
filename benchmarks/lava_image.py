"""Runs one image through a full-sized network (random weights) on Lava, and compares it with the closed form.

    python -m benchmarks.lava_image
    python -m benchmarks.lava_image --model swin_tiny_patch4_window7_224

Fixed point, T = 16, one Lava Process per block. Every spike and potential is compared.
"""

from __future__ import annotations

from typing import Annotated

import numpy as np
import timm
import torch
import typer

from benchmarks.on_lava import compare_on_lava
from converters.pipeline import convert_module


def main(
    model: Annotated[str, typer.Option(help="Name of a timm model for 224 x 224 pixels.")] = "deit_tiny_patch16_224",
) -> None:
    """Convert, run one image, compare."""
    torch.manual_seed(0)
    module = timm.create_model(model, pretrained=False).eval()
    rng = np.random.default_rng(0)
    calibration = rng.random((4, 3, 224, 224), np.float32)
    network = convert_module(module, [calibration], 16, 1.4, batch=4).network
    compare_on_lava(f"{model}, T = 16", network, rng.random((1, 3, 224, 224), np.float32))


if __name__ == "__main__":
    typer.run(main)
