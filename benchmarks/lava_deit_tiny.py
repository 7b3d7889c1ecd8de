"""One image of a DeiT-tiny-sized network (12 blocks, 197 tokens, 192 features, random weights) through Lava.

    python -m benchmarks.lava_deit_tiny

Fixed point, T = 16, one Lava Process per block; the run is compared with the closed form spike for spike.
"""

from __future__ import annotations

import time

import numpy as np
import timm
import torch
from rich.console import Console

from converters.pipeline import convert_module
from targets import registry
from targets.compare import compare
from targets.timeline import timeline


def main() -> None:
    """Convert, run one image, compare."""
    torch.manual_seed(0)
    model = timm.create_model("deit_tiny_patch16_224", pretrained=False).eval()
    rng = np.random.default_rng(0)
    calibration = rng.random((4, 3, 224, 224), np.float32)
    network = convert_module(model, [calibration], 16, 1.4, batch=4).network
    image = rng.random((1, 3, 224, 224), np.float32)
    begin = time.perf_counter()
    run = registry()["lava-sim"].run(network, image, "block", None)
    seconds = time.perf_counter() - begin
    found = compare(network, image, run)
    memory = "" if run.bytes is None else f", {run.bytes / 1e9:.2f} GB in all processes together"
    Console().print(
        f"deit_tiny_patch16_224 on lava-sim, fixed point, T = 16, {timeline(network).period} steps: {seconds:.1f} s in all "
        f"({run.seconds_start:.1f} s to start, {run.seconds_per_sample:.1f} s for the image), {run.processes} "
        f"processes{memory}; {found.compared_spikes:,} spikes and {found.compared_potentials:,} potentials compared, "
        f"{found.mismatches} differ"
    )


if __name__ == "__main__":
    main()
