"""How long a stepped sample of the demo takes on one core, beside its closed form and Lava in the same run, and compared.

    python -m benchmarks.stepper
    python -m benchmarks.stepper --lava

The demo in fixed point, T = 40, as the golden test has it, or another graph.nir for the demo's images; every spike and
potential is recorded. Times are of the processor, which other work on the machine disturbs less than the clock's; Lava's are
the clock's, as it has several processes.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import numba
import torch
import typer
from rich.console import Console

from deploy import demo
from evaluator import network_file, stepper
from evaluator.closed_form import ClosedForm
from evaluator.compare import compare
from evaluator.timeline import timeline
from targets import registry

GOLDEN = Path(__file__).parents[1] / "tests" / "golden" / "demo" / "fixed.nir"


def main(
    graph: Annotated[Path, typer.Option(help="A network that convert wrote for the demo's images.")] = GOLDEN,
    samples: Annotated[int, typer.Option(help="Images of a run.")] = 10,
    rounds: Annotated[int, typer.Option(help="Runs of each, in turn; medians count.")] = 5,
    lava: Annotated[bool, typer.Option("--lava", help="Also two images through Lava.")] = False,
) -> None:
    """Time them in turn, so that a drifting machine favours none of them, and compare every spike and potential."""
    torch.set_num_threads(1)
    numba.set_num_threads(1)
    network = network_file.read(graph)
    x = demo.evaluation_data()[0][:samples]
    runs: dict[str, Callable[[], object]] = {
        "stepper": lambda: stepper.run(network, x),
        "closed form": lambda: ClosedForm(network, torch.float64).run(x),
    }
    seconds: dict[str, list[float]] = {name: [] for name in runs}
    found = compare(network, x, stepper.run(network, x))
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
        f"ratio {ratio:.1f}; {timeline(network).period} steps; {found.compared_spikes:,} spikes and "
        f"{found.compared_potentials:,} potentials compared, {found.mismatches} differ"
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
