"""Measures the size of a converted network's NIR file, and the time to write and read it.

    python -m benchmarks.nir_file                                   swin_tiny_patch4_window7_224, random weights
    python -m benchmarks.nir_file --model vit_tiny_patch16_224

Sizes are compared with the bytes of the trained model's parameters as the network stores them: 4 each in floating
point; in fixed point 1 for a weight and 4 for a bias.
"""

from __future__ import annotations

import tempfile
import time
from pathlib import Path
from typing import Annotated

import numpy as np
import timm
import torch
import typer
from rich.console import Console
from rich.table import Table

from converters.pipeline import convert_module
from evaluator.network_file import read, write
from processes.network import Network, synapses


def parameters(network: Network) -> int:
    """Bytes of all weights and biases of a network's synapses."""
    return sum(op.weight.nbytes + op.bias.nbytes for _, op in synapses(network))


def main(
    model: Annotated[str, typer.Option(help="A timm model for 224 x 224 pixels.")] = "swin_tiny_patch4_window7_224",
    timesteps: Annotated[int, typer.Option(help="T, steps of a window.")] = 40,
    base: Annotated[float, typer.Option(help="B, ratio of neighbouring levels.")] = 1.15,
) -> None:
    """Convert, write, read, compare."""
    torch.manual_seed(0)
    module = timm.create_model(model, pretrained=False).eval()
    images = np.random.default_rng(0).random((2, 3, 224, 224), np.float32)
    conversion = convert_module(module, [images], timesteps, base, batch=2)
    assert conversion.fixed is not None
    count = sum(p.numel() for p in module.parameters())
    table = Table("", "file", "parameters", "ratio", "write", "read", title=f"{model}, {count:,} parameters")
    with tempfile.TemporaryDirectory() as folder:
        for name, network in (("float", conversion.calibrated), ("fixed", conversion.fixed)):
            path = Path(folder) / f"{name}.nir"
            begin = time.perf_counter()
            write(path, network)
            middle = time.perf_counter()
            again = read(path)
            seconds = middle - begin, time.perf_counter() - middle
            assert parameters(again) == parameters(network) and list(again.nodes) == list(network.nodes)
            size, stored = path.stat().st_size, parameters(network)
            table.add_row(name, f"{size:,}", f"{stored:,}", f"{size / stored:.2f}", *(f"{s:.1f} s" for s in seconds))
    Console().print(table)


if __name__ == "__main__":
    typer.run(main)
