"""Train a model of fashion_models.py on Fashion-MNIST, and write its weights and the data to convert it with.

    python examples/train_fashion.py uniformer --data DIR [--out out/fashion]

DIR holds the four original files; `deploy/demo/train.py` says where they come from. Writes NAME.safetensors, calib.npz
(256 training images, not used to choose anything) and test.npz (all 10,000 test images). The test images are looked at
once, after the last epoch.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import fashion_models
import numpy as np
import torch
from safetensors.torch import save_file

from deploy.demo.train import Cycle, correct, read_split, train, write_data

SEED = 0
MODELS = ("edgenext", "nextvit", "uniformer", "mlp", "cnn", "relu_vit")


def main() -> None:
    """Entry point."""
    parser = argparse.ArgumentParser(description="Train a small model on Fashion-MNIST.")
    parser.add_argument("model", choices=MODELS)
    parser.add_argument("--data", type=Path, required=True, help="folder with the four idx .gz files")
    parser.add_argument("--out", type=Path, default=Path("out/fashion"))
    parser.add_argument("--epochs", type=int, default=4)
    parser.add_argument("--threads", type=int, default=2)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    torch.manual_seed(SEED)
    images, labels = read_split(options.data, "train")
    test_images, test_labels = read_split(options.data, "t10k")
    write_data(options.out, (images, labels), (test_images, test_labels))

    model = getattr(fashion_models, options.model)()
    cycle = Cycle(epochs=options.epochs, warm_up=1, peak_rate=4e-3, batch=128, shift=0)
    train(model, torch.from_numpy(images.copy()), torch.from_numpy(labels.astype(np.int64)), cycle, SEED)
    accuracy = correct(model, test_images, test_labels).mean()
    save_file(model.state_dict(), options.out / f"{options.model}.safetensors", {"test_accuracy": f"{accuracy:.4f}"})
    print(f"{options.model}: {accuracy:.4f} on the {len(test_images)} test images")


if __name__ == "__main__":
    main()
