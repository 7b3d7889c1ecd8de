"""Results of the commands `targets`, `run` and `verify`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from deploy.schema.caution import Caution


@dataclass(frozen=True)
class TargetStatus:
    """A target, and whether it can run on this machine.

    summary: what the target is, in words. missing: why it cannot run here, and the remedy; None if it can.
    """

    name: str
    summary: str
    missing: str | None = None


@dataclass(frozen=True)
class RunResult:
    """A network's outputs on N samples, and what the run took.

    outputs: (N, *output) float32, in the model's units. labels: (N,) int64 or None. class_names: one per class, or ().
    latency_steps: time steps from a sample's first input to its readout; None if not stepped.
    measured: what only the target can measure (energy of a simulated chip, ...). target: name of what ran.
    cautions: warnings about the run.
    """

    outputs: np.ndarray
    labels: np.ndarray | None
    class_names: tuple[str, ...]
    spikes_per_sample: float
    seconds_per_sample: float
    latency_steps: int | None = None
    measured: Mapping[str, Any] = field(default_factory=dict)
    target: str = ""
    cautions: tuple[Caution, ...] = ()


@dataclass(frozen=True)
class Verification:
    """Result of comparing a stepped run with the closed form, spike for spike.

    stepped_by: name of the target that stepped. compared_spikes, compared_potentials: how many were compared.
    saturations: potentials clipped in the stepped run. mismatches: spikes, potentials and counts of saturations that
    differ. first: layer, neuron and step of the first mismatch, or None.
    """

    stepped_by: str

    samples: int
    compared_spikes: int
    compared_potentials: int
    saturations: int
    mismatches: int
    first: str | None = None
