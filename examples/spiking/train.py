"""Train a spiking transformer of this folder on Fashion-MNIST by surrogate gradients, and write its weights and the test data.

    python examples/spiking/train.py sdt2 --data DIR [--out out/spiking] [--first 8] [--epochs 1] [--images 60000] [--steps 2]
        [--hold-out 0]

DIR holds the four original files; `deploy/demo/train.py` says where they come from. Writes NAME.safetensors, calib.npz (256
training images) and test.npz (all 10,000 test images, looked at once, after the last epoch). With `--hold-out N`, the last N
training images are not trained on and say after each part how good the weights are: choices of epochs and rates go by those.

The first epochs show each image for one step, which takes half of the time of two, and find most of the weights; the
others have all T steps, at a lower rate, and fit norms and thresholds to potentials that add up over time.
"""

from __future__ import annotations

import argparse
import importlib
import re
import sys
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

sys.path.insert(0, str(Path(__file__).parents[2]))

from fused import fuse

from converters.trained.nodes import reset_net
from deploy.demo.train import Cycle, correct, read_split, train, write_data

MODELS = ("spikformer", "spikingformer", "sdt", "sdt2", "qkformer", "spikingresformer")
SEED = 0
RATES = 6e-3, 3e-3  # peaks of the learning rate with one step and with all
SPREAD = 2.0
BIAS, BIASES = 1.0, {"sdt2": 2.0}  # whose last attention has four tokens only
MULTIPLIED = re.compile(r"\.[qkv]_(bn|conv\.1)$")  # norms of queries, keys and values


class Fresh(nn.Module):
    """A model whose neurons start anew at every call."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, x: Tensor) -> Tensor:
        reset_net(self.model)
        return self.model(x)


def wake(model: nn.Module, bias: float) -> None:
    """Start norms so that all neurons fire now and then, whose surrogate gradients vanish with the distance to the threshold.

    A neuron of these models takes half of its input. Standard deviations of SPREAD let a sixth of a layer fire in the first
    step; with 1 it would be 2 %, and less in each further layer. Queries, keys and values are added `bias`, since products of
    three rare spikes never reach a threshold, and a norm that sees no spike at all multiplies gradients by 1 / sqrt(eps).
    """
    for name, module in model.named_modules():
        if isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d):
            nn.init.constant_(module.weight, SPREAD)
            if MULTIPLIED.search(name):
                nn.init.constant_(module.bias, bias)


def keep(network: nn.Module, file: Path, **measured: str) -> None:
    """Write the weights."""
    save_file({name: tensor.contiguous() for name, tensor in network.state_dict().items()}, file, measured)


def main() -> None:
    """Entry point."""
    parser = argparse.ArgumentParser(description="Train a small spiking transformer on Fashion-MNIST.")
    parser.add_argument("model", choices=MODELS)
    parser.add_argument("--data", type=Path, required=True, help="folder with the four idx .gz files")
    parser.add_argument("--out", type=Path, default=Path("out/spiking"))
    parser.add_argument("--first", type=int, default=8, help="epochs with one step an image")
    parser.add_argument("--epochs", type=int, default=1, help="epochs with all steps, after those")
    parser.add_argument("--images", type=int, default=60000, help="train on so many images only")
    parser.add_argument("--hold-out", type=int, default=0, help="the last so many training images validate")
    parser.add_argument("--steps", type=int, default=2, help="time steps T")
    parser.add_argument("--weights", type=Path, help="go on from these")
    parser.add_argument("--threads", type=int, default=2)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    torch.manual_seed(SEED)
    images, labels = read_split(options.data, "train")
    test_images, test_labels = read_split(options.data, "t10k")
    write_data(options.out, (images, labels), (test_images, test_labels))

    network = importlib.import_module(options.model).small(options.steps)
    if options.weights is None:
        wake(network, BIASES.get(options.model, BIAS))
    else:
        network.load_state_dict(load_file(options.weights))
    model = Fresh(network).to(memory_format=torch.channels_last)
    fuse(model)
    held, count = len(images) - options.hold_out, min(options.images, len(images) - options.hold_out)
    used, targets = torch.from_numpy(images[:count].copy()), torch.from_numpy(labels[:count].astype(np.int64))
    for number, (steps, epochs, rate) in enumerate(
        ((1, options.first, RATES[0]), (options.steps, options.epochs, RATES[1]))
    ):
        network.T = steps
        train(model, used, targets, Cycle(epochs, 0, rate, 100, 0, mirror=False), SEED + number)
        if not epochs:
            continue
        keep(network, options.out / f"{options.model}-{steps}.safetensors")
        if options.hold_out:
            accuracy = correct(model, images[held:], labels[held:]).mean()
            print(f"{options.model}, T = {steps}: {accuracy:.4f} on {options.hold_out} held out", flush=True)
    accuracy = correct(model, test_images, test_labels).mean()
    keep(network, options.out / f"{options.model}.safetensors", test_accuracy=f"{accuracy:.4f}")
    print(f"{options.model}: {accuracy:.4f} on the {len(test_images)} test images")


if __name__ == "__main__":
    main()
