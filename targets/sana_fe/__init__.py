"""SANA-FE as a target: event-driven simulation of a Loihi-style chip, driven by the spikes of the closed form.

The closed form gives the spike times, the placement the core of every neuron, and SANA-FE, a separate program under the
GPL, the energy and time of the resulting messages, synaptic events and neuron updates. Its neuron models have no
falling thresholds, so it is told when neurons fire instead of computing it. Its spike counts must therefore equal those
of the closed form, which is checked for every population.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

from evaluator.target_run import Done, TargetRun
from evaluator.timeline import Timeline, timeline
from processes.errors import DeployError
from processes.leftovers import scratch_folder
from processes.network import Network
from targets import closed_form_target
from targets.placement import Placement, place
from targets.placement.chip import load_chip
from targets.sana_fe.architecture import costs, describe
from targets.sana_fe.traffic import Axons, Group, axons_of, firing, groups_of
from targets.tools import SANA_FE

CHIP = "loihi1"  # the chip for which SANA-FE's energies and latencies were published
MOST_AXONS = 4_000_000  # about 2 kB of SANA-FE's memory each


def run(network: Network, samples: np.ndarray, granularity: str = "", done: Done | None = None) -> TargetRun:
    """Run samples (N, *input) in the closed form, and their spikes one after the other through SANA-FE.

    ``measured`` of the result has joules, seconds and counts per sample; ``granularity`` is ignored.

    Raises:
        DeployError: SANA-FE is not installed, the network is too large for it, or its spike counts differ.
    """
    result = closed_form_target.run(network, samples)
    placement, times = place(network, load_chip(CHIP)), timeline(network)
    groups = groups_of(placement)
    axons = axons_of(network, placement, groups)
    if (count := sum(len(a.pre) for a in axons)) > MOST_AXONS:
        raise DeployError(f"target sana-fe: {count:,} axons need more than {MOST_AXONS:,}; take fewer blocks or tokens")
    events = [firing(network, times, result, i, groups) for i in range(len(samples))]
    found = _simulate(network, placement, groups, axons, events, times)
    _check_counts(groups, events, found)
    if done is not None:
        for sample in range(len(samples)):
            done(sample)
    result.measured = _measured(network, placement, result, events, found)
    return result


def _simulate(
    network: Network, placement: Placement, groups: dict[str, Group], axons: list[Axons], events: list[np.ndarray],
    times: Timeline,
) -> list[dict[str, Any]]:  # fmt: skip
    """Write the placed network and its spike events, run SANA-FE, and return its results, one for each sample."""
    units = sorted({(a.unit, int(n)) for a in axons for n in np.unique(a.synapses)})
    number = {unit: i for i, unit in enumerate(units)}
    spans = [times.span(network, name.removesuffix(".row").removesuffix(".relay")) for name in groups]
    with scratch_folder("sana-fe") as folder:
        np.savez(
            folder / "network.npz",
            groups=np.array([(group.first, group.size) for group in groups.values()]),
            cores=np.concatenate([group.cores for group in groups.values()]),
            units=np.array([f"{kind}{n}" for kind, n in units]),
            axons=np.concatenate([np.stack([a.pre, a.post], axis=1) for a in axons]),
            unit=np.concatenate([[number[a.unit, int(n)] for n in a.synapses] for a in axons]),
            begin=np.array([span.start for span in spans]),
            end=np.array([span.stop for span in spans]),
            events=np.concatenate(events),
            sample=np.repeat(np.arange(len(events)), [len(e) for e in events]),
            samples=len(events),
            period=times.period,
        )
        most = placement.chip.limits["neurons"] or 0
        (folder / "chip.yaml").write_text(describe(placement.cores, placement.chip.mesh, most, units))
        script = Path(__file__).with_name("worker.py")
        SANA_FE.run(script, folder / "network.npz", folder / "chip.yaml", folder / "results.json")
        return json.loads((folder / "results.json").read_text())


def _check_counts(groups: dict[str, Group], events: list[np.ndarray], found: list[dict[str, Any]]) -> None:
    """Raise DeployError for the first group whose spike count in SANA-FE differs from its events."""
    first = np.array([group.first for group in groups.values()])
    for sample, (ours, theirs) in enumerate(zip(events, found, strict=True)):
        counts = np.bincount(np.searchsorted(first, ours[:, 1], side="right") - 1, minlength=len(groups))
        for name, mine, its in zip(groups, counts.tolist(), theirs["fired"], strict=True):
            if mine != its:
                raise DeployError(f"SANA-FE, sample {sample}: '{name}' fired {its} times, our run says {mine}")


def _measured(
    network: Network, placement: Placement, run_: TargetRun, events: list[np.ndarray], found: list[dict[str, Any]]
) -> dict[str, Any]:
    """Means per sample of SANA-FE's results, with the names of report.json."""
    n = len(found)
    spikes = sum(int(np.count_nonzero(v)) for name, v in run_.values.items() if network[name].fires)

    def mean(key: str) -> float:
        return sum(sample[key] for sample in found) / n

    return {
        "chip": placement.chip.name,
        "cores": placement.cores,
        "chips": placement.chips,
        "samples": n,
        "latency_seconds": mean("sim_time"),
        "energy_joules": {part: sum(s["energy"][part] for s in found) / n for part in found[0]["energy"]},
        "spikes": spikes / n,
        "graded_spikes": (sum(map(len, events)) - spikes) / n,
        "fired": mean("neurons_fired"),
        "messages": mean("packets_sent"),
        "neuron_updates": mean("neurons_updated"),
        "source": costs()["source"],
    }
