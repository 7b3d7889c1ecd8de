"""What the commands besides `convert` give back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from deploy.schema.caution import Caution


@dataclass(frozen=True)
class TargetStatus:
    """A target on this machine.

    missing: why it cannot be used here and what would make it so, or None if it can.
    """

    name: str
    summary: str
    missing: str | None = None


@dataclass(frozen=True)
class RunResult:
    """A converted network's answer to data.

    outputs: (N, *output) float32, in the model's units. labels: (N,) int64 or None. class_names: one
    per class, or empty. latency_steps: from a sample's first input to its readout; None if not stepped.
    measured: what only the target tells, per sample. target: what ran it. cautions: what may be wrong although it ran.
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
    """A stepped run against the closed form.

    stepped_by: the target that stepped. saturations: potentials clipped in the stepped run.
    first: layer, neuron and step of the first mismatch, or None.
    """

    stepped_by: str

    samples: int
    compared_spikes: int
    compared_potentials: int
    saturations: int
    mismatches: int
    first: str | None = None
