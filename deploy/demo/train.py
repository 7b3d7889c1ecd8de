"""Train the demo's model on Fashion-MNIST and write the files the demo reads.

    python -m deploy.demo.train --data DIR

DIR holds the four original files, train-images-idx3-ubyte.gz and its siblings. The Debian package
`dataset-fashion-mnist` carries them: `apt-get download dataset-fashion-mnist`, then `dpkg-deb -x` on the
package that arrives, and DIR is usr/share/datasets/fashion-mnist below the folder it was unpacked to.

The last epoch's weights are the ones kept, never the best of several on the test split. README.md tells when
that split was looked at.
"""

from __future__ import annotations

import argparse
import gzip
import math
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import save_file
from timm.layers.config import set_fused_attn
from timm.models.vision_transformer import VisionTransformer
from torch import Tensor, nn

from deploy.demo import FOLDER, IMAGES, WEIGHTS, fashion_vit, to_pixels

SEED = 0
WEIGHT_DECAY = 0.05
LABEL_SMOOTHING = 0.05
CALIBRATION_IMAGES = 256
EVALUATION_IMAGES = 1000


@dataclass(frozen=True)
class Cycle:
    """One run of the learning rate: up to the peak in the epochs `warm_up`, then a half cosine to zero."""

    epochs: int
    warm_up: int
    peak_rate: float
    batch: int
    shift: int  # pixels, each way
    mirror: bool = True  # half of the images


# With random shifts, a model this small does not even fit the training images, so the second cycle has none.
CYCLES = (
    Cycle(epochs=22, warm_up=2, peak_rate=2e-3, batch=256, shift=2),
    Cycle(epochs=14, warm_up=1, peak_rate=1.5e-3, batch=128, shift=0),
)


def read_idx(path: Path) -> NDArray[np.uint8]:
    """A gzipped idx file of unsigned bytes, in the shape its header gives.

    Layout: two zero bytes, the type (8: unsigned byte), the number of dimensions, each dimension as a
    big-endian 32-bit integer, then the data. Raises ValueError when the file is something else.
    """
    data = gzip.decompress(path.read_bytes())
    if data[:3] != b"\0\0\x08":
        raise ValueError(f"{path} is not an idx file of unsigned bytes")
    shape = np.frombuffer(data, ">i4", count=data[3], offset=4)
    return np.frombuffer(data, np.uint8, offset=4 + 4 * data[3]).reshape(shape)


def read_split(folder: Path, name: str) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Images (N, 28, 28) and labels (N,) of the split `train` or `t10k`."""
    images = read_idx(folder / f"{name}-images-idx3-ubyte.gz")
    return images, read_idx(folder / f"{name}-labels-idx1-ubyte.gz")


def write_data(
    folder: Path, train: tuple[NDArray[np.uint8], NDArray[np.uint8]], test: tuple[NDArray[np.uint8], NDArray[np.uint8]]
) -> None:
    """Raw pixels and labels for `deploy convert`: calib.npz, training images drawn by the seed, and test.npz, all of them."""
    folder.mkdir(parents=True, exist_ok=True)
    images, labels = train
    chosen = np.sort(np.random.default_rng(SEED).choice(len(images), CALIBRATION_IMAGES, replace=False))
    for name, x, y in (("calib", images[chosen], labels[chosen]), ("test", *test)):
        np.savez_compressed(folder / f"{name}.npz", x=to_pixels(x), y=y.astype(np.int64))


def augment(padded: Tensor, index: Tensor, shift: int, random: torch.Generator, mirror: bool = True) -> Tensor:
    """A batch (B, 1, 28, 28) in [0, 1] of the images `index` (B,), randomly shifted and, with `mirror`, half mirrored.

    `padded` holds all images with a border, uint8 (N, 28 + 2 * shift, 28 + 2 * shift); a shift picks a 28 x 28 window.
    """
    count, size = len(index), padded.shape[-1] - 2 * shift
    corner = torch.randint(2 * shift + 1, (2, count, 1), generator=random)
    mirrored = torch.rand(count, 1, generator=random) < (0.5 if mirror else 0)
    span = torch.arange(size).expand(count, size)
    rows = corner[0] + span
    columns = corner[1] + torch.where(mirrored, span.flip(1), span)
    return padded[index[:, None, None], rows[:, :, None], columns[:, None, :]].unsqueeze(1).float() / 255


def learning_rate(cycle: Cycle, step: int, steps_per_epoch: int) -> float:
    """Learning rate at a step, counted from the cycle's start."""
    warm, steps = cycle.warm_up * steps_per_epoch, cycle.epochs * steps_per_epoch
    if step < warm:
        return cycle.peak_rate * (step + 1) / warm
    return cycle.peak_rate * 0.5 * (1 + math.cos(math.pi * (step - warm) / (steps - warm)))


def parameter_groups(model: nn.Module) -> list[dict[str, Any]]:
    """Optimiser groups: weight decay for matrices, none for biases, norms, position encoding and class token."""
    exempt = model.no_weight_decay() if isinstance(model, VisionTransformer) else ()
    decayed, free = [], []
    for name, parameter in model.named_parameters():
        (free if parameter.ndim <= 1 or name in exempt else decayed).append(parameter)
    return [{"params": decayed, "weight_decay": WEIGHT_DECAY}, {"params": free, "weight_decay": 0.0}]


def train(model: nn.Module, images: Tensor, labels: Tensor, cycle: Cycle, seed: int) -> None:
    """Train `model` for one cycle, with a fresh optimiser. Prints a line per epoch.

    images: uint8 (N, 28, 28); labels: int64 (N,); seed: of the order of the images and their augmentation.
    """
    random = torch.Generator().manual_seed(seed)
    optimiser = torch.optim.AdamW(parameter_groups(model), lr=cycle.peak_rate, fused=True)
    padded = nn.functional.pad(images, (cycle.shift,) * 4)
    per_epoch = len(images) // cycle.batch
    model.train()
    for epoch in range(cycle.epochs):
        start, total = time.perf_counter(), 0.0
        order = torch.randperm(len(images), generator=random)[: per_epoch * cycle.batch]
        for number, index in enumerate(order.view(per_epoch, cycle.batch)):
            for group in optimiser.param_groups:
                group["lr"] = learning_rate(cycle, epoch * per_epoch + number, per_epoch)
            logits = model(augment(padded, index, cycle.shift, random, cycle.mirror))
            loss = nn.functional.cross_entropy(logits, labels[index], label_smoothing=LABEL_SMOOTHING)
            optimiser.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimiser.step()
            total += loss.item()
        seconds = time.perf_counter() - start
        print(f"epoch {epoch + 1}/{cycle.epochs}: loss {total / per_epoch:.4f}, {seconds:.1f} s", flush=True)
    model.eval()


@torch.inference_mode()
def correct(model: nn.Module, images: NDArray[np.uint8], labels: NDArray[np.uint8]) -> NDArray[np.bool_]:
    """Whether the model's class of each of `images` (N, 28, 28) is its label: bool (N,)."""
    batches = torch.from_numpy(to_pixels(images)).split(1000)
    return torch.cat([model(batch).argmax(1) for batch in batches]).numpy() == labels


def main() -> None:
    """Entry point: train, measure, write the weights and the images."""
    parser = argparse.ArgumentParser(description="Train the Fashion-MNIST demo model.")
    parser.add_argument("--data", type=Path, required=True, help="folder with the four idx .gz files")
    parser.add_argument("--out", type=Path, default=FOLDER, help="where the two files go (default: here)")
    options = parser.parse_args()
    try:
        train_images, train_labels = read_split(options.data, "train")
        test_images, test_labels = read_split(options.data, "t10k")
    except FileNotFoundError as missing:
        parser.error(f"{missing.filename} is missing; the Debian package dataset-fashion-mnist carries it")
    torch.set_num_threads(2)  # sums depend on the number of threads in their last bits
    set_fused_attn(False)  # the fused kernel is the slower one for 50 tokens on a CPU

    # Samples are drawn before training, so that no model influences the choice.
    random = np.random.default_rng(SEED)
    calibration = np.sort(random.choice(len(train_images), CALIBRATION_IMAGES, replace=False))
    evaluation = np.sort(random.choice(len(test_images), EVALUATION_IMAGES, replace=False))
    options.out.mkdir(parents=True, exist_ok=True)
    np.savez_compressed(
        options.out / IMAGES,
        calibration_images=train_images[calibration],
        calibration_labels=train_labels[calibration],
        calibration_index=calibration,
        evaluation_images=test_images[evaluation],
        evaluation_labels=test_labels[evaluation],
        evaluation_index=evaluation,
    )

    torch.manual_seed(SEED)
    model = fashion_vit()
    images, labels = torch.from_numpy(train_images.copy()), torch.from_numpy(train_labels.astype(np.int64))
    for number, cycle in enumerate(CYCLES):
        train(model, images, labels, cycle, SEED + number)
    hits = correct(model, test_images, test_labels)
    full, sample = f"{hits.mean():.4f}", f"{hits[evaluation].mean():.4f}"
    measured = {"seed": str(SEED), "test_accuracy": full, "sample_accuracy": sample}
    save_file(model.state_dict(), options.out / WEIGHTS, measured)
    print(f"accuracy: {full} on the {len(hits)} test images, {sample} on the {len(evaluation)} bundled ones")


if __name__ == "__main__":
    main()
