"""One image of a full-sized network (random weights) through Lava, compared with the closed form spike for spike.

    python -m benchmarks.lava_image
    python -m benchmarks.lava_image --model swin_tiny_patch4_window7_224

Fixed point, T = 16, one Lava Process per block.
"""

from __future__ import annotations

import time
from typing import Annotated

import numpy as np
import timm
import torch
import typer
from rich.console import Console

from converters.pipeline import convert_module
from targets import registry
from targets.compare import compare
from targets.timeline import timeline


def main(
    model: Annotated[str, typer.Option(help="Name of a timm model for 224 x 224 pixels.")] = "deit_tiny_patch16_224",
) -> None:
    """Convert, run one image, compare."""
    torch.manual_seed(0)
    module = timm.create_model(model, pretrained=False).eval()
    rng = np.random.default_rng(0)
    calibration = rng.random((4, 3, 224, 224), np.float32)
    network = convert_module(module, [calibration], 16, 1.4, batch=4).network
    image = rng.random((1, 3, 224, 224), np.float32)
    begin = time.perf_counter()
    run = registry()["lava-sim"].run(network, image, "block", None)
    seconds = time.perf_counter() - begin
    found = compare(network, image, run)
    memory = "" if run.bytes is None else f", {run.bytes / 1e9:.2f} GB in all processes together"
    Console().print(
        f"{model} on lava-sim, fixed point, T = 16, {timeline(network).period} steps: {seconds:.1f} s in all "
        f"({run.seconds_start:.1f} s to start, {run.seconds_per_sample:.1f} s for the image), {run.processes} "
        f"processes{memory}; {found.compared_spikes:,} spikes and {found.compared_potentials:,} potentials compared, "
        f"{found.mismatches} differ"
    )
    if found.first:
        raise SystemExit(found.first)


if __name__ == "__main__":
    typer.run(main)
