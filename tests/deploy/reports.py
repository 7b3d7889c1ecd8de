"""Reports and points as small as they can be, for tests that are about a few of their numbers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from deploy.output import GRAPH
from deploy.schema import Measured, Report, Seconds, Spikes, write_report


def report(**known: Any) -> Report:
    """A report of nothing, but for what is given."""
    least: dict[str, Any] = {
        "model": "demo", "method": "spiked-attention", "precision": "float", "timesteps": 8, "base": 1.4,
        "target": "closed-form", "samples": 7, "latency_steps": 99, "seconds": Seconds(closed_form_per_sample=0.01),
        "spikes": Spikes(total_per_sample=10.0), "saturations": 0, "layers": (), "not_spiking": (), "versions": {},
    }  # fmt: skip
    return Report(**least | known)


def conversion(folder: Path, **known: Any) -> Path:
    """A folder with a report, and a graph that nobody reads."""
    folder.mkdir(exist_ok=True)
    (folder / GRAPH).write_bytes(b"")
    write_report(folder, report(**known))
    return folder


def point(timesteps: int, **known: Any) -> Measured:
    """A point of a sweep, but for what is given."""
    least: dict[str, Any] = {
        "base": "auto", "method": "spiked-attention", "precision": "fixed", "spikes": 1, "chosen_base": 1.2, "samples": 100,
        "latency_steps": 10 * timesteps, "saturations": 0, "synaptic_operations": 1.0, "energy": {}, "seconds": 1.0,
    }  # fmt: skip
    return Measured(timesteps=timesteps, **least | known)
