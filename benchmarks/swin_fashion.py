"""Measures the accuracy, original and spiking, of a small Swin that it trains on Fashion-MNIST.

    python -m benchmarks.swin_fashion --images 10000

The model has shifted windows, LayerNorm and GELU. Training, three epochs, takes some minutes; the weights are kept in
the user's cache. Evaluation uses the test split, calibration images come from the training split.
"""

from __future__ import annotations

from typing import Annotated

import numpy as np
import timm
import torch
import typer
from rich.console import Console
from safetensors.torch import load_file, save_file

from benchmarks import material
from benchmarks.subject import Case, Subject, table
from deploy.demo import to_pixels
from deploy.demo.train import Cycle, read_split, train

CYCLE = Cycle(epochs=3, warm_up=1, peak_rate=3e-3, batch=128, shift=0)
WEIGHTS = material.CACHE / "swin-fashion.safetensors"
CASES = tuple(Case(t, n, p, input_spikes=n) for n in (1, 2) for t in (40, 16) for p in ("float", "fixed"))


def untrained() -> torch.nn.Module:
    """The small Swin with random weights: 196 patches of 2 x 2 pixels, windows of 7 x 7, two stages of two blocks."""
    return timm.create_model(
        "swin_tiny_patch4_window7_224", img_size=28, patch_size=2, in_chans=1, num_classes=10, window_size=7,
        embed_dim=32, depths=(2, 2), num_heads=(2, 4), drop_path_rate=0.0,
    )  # fmt: skip


def trained() -> torch.nn.Module:
    """The trained model in evaluation mode; trains it and keeps the weights if there are none in the cache."""
    torch.manual_seed(0)
    model = untrained()
    if not WEIGHTS.exists():
        images, labels = read_split(material.fashion_mnist(), "train")
        train(model, torch.from_numpy(images.copy()), torch.from_numpy(labels.astype(np.int64)), CYCLE, 0)  # type: ignore[arg-type]
        WEIGHTS.parent.mkdir(parents=True, exist_ok=True)
        save_file(model.state_dict(), WEIGHTS)
    model.load_state_dict(load_file(WEIGHTS))
    return model.eval()


def subject(images: int, calibration: int) -> Subject:
    """The trained Swin with the first ``images`` test images and ``calibration`` training images chosen at random."""
    folder = material.fashion_mnist()
    chosen = np.random.default_rng(0).choice(60_000, calibration, replace=False)
    fit = to_pixels(read_split(folder, "train")[0][chosen])
    test, labels = read_split(folder, "t10k")
    return Subject("small Swin, Fashion-MNIST", trained(), [fit], [to_pixels(test[:images])], labels[:images])


def main(
    images: Annotated[int, typer.Option(help="Test images to evaluate on, the first ones.")] = 10_000,
    calibration: Annotated[int, typer.Option(help="Training images that set the scales.")] = 256,
) -> None:
    """Accuracy of the small Swin on Fashion-MNIST's test split, original and spiking."""
    Console().print(table(subject(images, calibration), CASES))


if __name__ == "__main__":
    typer.run(main)
