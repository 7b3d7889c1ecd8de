"""Measures the time of a stepped sample on one core, beside its closed form and Lava in one run, and compares them.

    python -m benchmarks.stepper
    python -m benchmarks.stepper --lava
    python -m benchmarks.stepper --timesteps 16,64
    python -m benchmarks.stepper --model deit_tiny_patch16_224 --timesteps 16 --samples 2

By default it runs the golden test's network, the demo in fixed point at T = 40; --graph takes another one for the
demo's images. --timesteps converts the demo, and --model a timm model with random weights for 224 x 224 pixels, for
each T, with B = 1.4 at T = 16 and the same range of levels at any T. Every spike and potential is recorded. Times are
processor time, which other work disturbs less than wall-clock time; Lava's are wall-clock time, as it has several
processes.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import numba
import numpy as np
import timm
import torch
import typer
from rich.console import Console

from converters.pipeline import convert_module
from deploy import demo
from evaluator import network_file, stepper
from evaluator.closed_form import ClosedForm
from evaluator.compare import compare
from evaluator.timeline import timeline
from processes.network import Network
from targets import registry

RANGE = 1.4**16
"""B^T, the range of a code's levels, at any T."""
GOLDEN = Path(__file__).parents[1] / "tests" / "golden" / "demo" / "fixed.nir"


def main(
    graph: Annotated[Path, typer.Option(help="A network that convert wrote for the demo's images.")] = GOLDEN,
    model: Annotated[str | None, typer.Option(help="Instead, a timm model, random weights.")] = None,
    timesteps: Annotated[str, typer.Option(help="T to convert for, each in turn; of the demo without --model.")] = "",
    samples: Annotated[int, typer.Option(help="Images of a run.")] = 10,
    rounds: Annotated[int, typer.Option(help="Runs of each, in turn; medians count.")] = 5,
    lava: Annotated[bool, typer.Option("--lava", help="Also two images through Lava.")] = False,
) -> None:
    """Time them in turn, so that a drifting machine favours none of them, and compare every spike and potential."""
    torch.set_num_threads(1)
    numba.set_num_threads(1)
    x = demo.evaluation_data()[0][:samples]
    if model is None and not timesteps:
        timed(network_file.read(graph), x, rounds, lava)
        return
    module, fit = demo.load_model(), demo.calibration_data()[0][:64]
    if model is not None:
        torch.manual_seed(0)
        module, rng = timm.create_model(model, pretrained=False).eval(), np.random.default_rng(0)
        fit, x = rng.random((4, 3, 224, 224), np.float32), rng.random((samples, 3, 224, 224), np.float32)
    for steps in map(int, (timesteps or "16").split(",")):
        timed(convert_module(module, [fit], steps, RANGE ** (1 / steps), batch=4).network, x, rounds, lava)


def timed(network: Network, x: np.ndarray, rounds: int, lava: bool) -> None:
    """Time the stepper and the closed form in turn, and print times per sample and the comparison.

    Raises:
        SystemExit: with the first difference, if there is one.
    """
    samples = len(x)
    runs: dict[str, Callable[[], object]] = {
        "stepper": lambda: stepper.run(network, x),
        "closed form": lambda: ClosedForm(network, torch.float64).run(x),
    }
    seconds: dict[str, list[float]] = {name: [] for name in runs}
    stepped = stepper.run(network, x)
    found = compare(network, x, stepped)
    sent = sum(np.count_nonzero(stepped.values[n]) for n, node in network if node.op.fires and n in stepped.values)
    runs["closed form"]()
    for _ in range(rounds):
        for name, run in runs.items():
            begin = time.process_time()
            run()
            seconds[name].append((time.process_time() - begin) / samples)
    ratio = statistics.median(a / b for a, b in zip(*seconds.values(), strict=True))
    console = Console(highlight=False)
    for name, taken in seconds.items():
        console.print(f"{name}: {1000 * statistics.median(taken):.1f} ms an image")
    console.print(
        f"ratio {ratio:.1f}; {timeline(network).period:,} steps; {sent / samples:,.0f} spikes an image; "
        f"{found.compared_spikes:,} neurons' spikes and {found.compared_potentials:,} potentials compared, "
        f"{found.mismatches} differ"
    )
    if lava:
        run = registry()["lava-sim"].run(network, x[:2], "block", None)
        console.print(
            f"Lava: {1000 * run.seconds_per_sample:.0f} ms an image, {run.processes} processes; stepper by the clock: "
            f"{1000 * stepper.run(network, x).seconds_per_sample:.0f} ms"
        )
    if found.first:
        raise SystemExit(found.first)


if __name__ == "__main__":
    typer.run(main)
