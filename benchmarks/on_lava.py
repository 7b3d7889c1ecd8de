"""Runs a fixed-point network on Lava and compares every spike and potential with the closed form."""

from __future__ import annotations

import numpy as np
from rich.console import Console

from evaluator.compare import compare
from evaluator.timeline import timeline
from processes.network import Network
from targets import registry


def compare_on_lava(title: str, network: Network, samples: np.ndarray) -> None:
    """Run samples (N, *input) in real units, one Lava Process per block, and print the times and what was compared.

    Raises:
        SystemExit: with the first difference, if there is one.
    """
    run = registry()["lava-sim"].run(network, samples, "block", None)
    found = compare(network, samples, run)
    memory = "" if run.bytes is None else f", {run.bytes / 1e9:.2f} GB in all processes together"
    Console(highlight=False).print(
        f"{title} on lava-sim, fixed point, {timeline(network).period} steps: {run.seconds_start:.1f} s to start, "
        f"{run.seconds_per_sample:.1f} s per sample, {run.processes} processes{memory}; {found.compared_spikes:,} spikes and "
        f"{found.compared_potentials:,} potentials compared, {sum(found.saturations.values()):,} saturations, "
        f"{found.mismatches} differ",
        soft_wrap=True,
    )
    if found.first:
        raise SystemExit(found.first)
