"""Calibration of SI-neurons: chooses the fitted table of the smallest range that contains their potentials."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from processes import calibration
from processes.calibration import NEW_SPIKES, Coding, Observation, Position
from processes.errors import DeployError
from processes.si_exp.table import load_table
from processes.si_neuron import SiNeuron

FITTED = ("gelu", "silu")  # functions of which tables are shipped
RANGES = (2.0, 4.0, 8.0, 16.0)  # r: these tables are fitted on [-r, r]
HEADROOM = 1.1  # factor by which potentials may exceed the largest of the calibration set

for trait in (calibration.scaled, calibration.rescaled, calibration.coded):
    trait.of(SiNeuron)(calibration.as_it_is)
calibration.factors.always("none", SiNeuron)
calibration.features.of(SiNeuron)(calibration.as_operand)
calibration.feature_axis.always(-1, SiNeuron)
calibration.weights.always("none", SiNeuron)
calibration.accepts.always("binary units", SiNeuron)
calibration.worth.of(SiNeuron)(calibration.own_scale)
calibration.picks.refuse(NEW_SPIKES, SiNeuron)
calibration.unit.of(SiNeuron)(calibration.real_units)
calibration.shared.always((), SiNeuron)
calibration.used.always(None, SiNeuron)


@calibration.observed.of(SiNeuron)
def _(op: SiNeuron, shape: tuple[int, ...]) -> Observation:
    """The largest |potential| of the operand; for relu, the largest potential, at least 0."""
    if op.function == "relu":
        return Observation("operand", lambda v: v.max().clamp(min=0).double().cpu().numpy())
    return Observation("operand", lambda v: v.abs().max().double().cpu().numpy())


@calibration.folded.of(SiNeuron)
def _(op: SiNeuron, at: Position, coding: Coding) -> SiNeuron:
    """Set the table of the smallest range that contains the observed potentials with headroom, one row per unit.

    For relu, set the binary digits up to the largest potential.

    Raises:
        DeployError: no range is large enough, or no table has this many steps.
    """
    assert coding.peak is not None
    peak = float(coding.peak)
    heard = at.operands[0].unit
    heard = heard if heard.size > 1 else np.full((1,) * len(op.shape), heard.item())
    per = 1.0 / heard.reshape(-1, 1)
    if op.function == "relu":
        digits = binary_digits(peak, coding.code.steps)
        return replace(op, threshold=digits * per, reset=digits * per, output=digits, unit=heard)
    fits = [r for r in RANGES if r >= peak * HEADROOM]
    if not fits:
        held = f"'{at.name}': potentials of {op.function} reach {peak:.3g}, fitted tables +-{RANGES[-1]:g}"
        raise DeployError(f"{held}; use --activation schedule")
    table = load_table(op.function, coding.code.steps, -fits[0], fits[0])
    return replace(
        op, threshold=table.threshold[None] * per, reset=table.reset[None] * per, output=table.output, unit=heard
    )


def binary_digits(peak: float, steps: int) -> np.ndarray:
    """T = h = d = alpha 2^(K - t), t = 1 .. K, of the FS neuron for ReLU, float64 (K,).

    They represent the multiples of alpha up to ``peak``; values between two multiples are rounded down. Source: C.
    Stoeckl and W. Maass, Nature Machine Intelligence 3, 2021.
    """
    alpha = (peak or 1.0) / (2.0**steps - 1)
    return alpha * 2.0 ** np.arange(steps - 1, -1, -1)
