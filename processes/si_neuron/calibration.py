"""Calibration of SI-neurons: the fitted table of the smallest range that holds the potentials that they hear."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from processes import calibration
from processes.calibration import NEW_SPIKES, Coding, Observation, Position
from processes.errors import DeployError
from processes.si_exp.table import load_table
from processes.si_neuron import SiNeuron

FITTED = ("gelu", "silu")  # functions of which tables are shipped
RANGES = (2.0, 4.0, 8.0, 16.0)  # of these tables, +-
HEADROOM = 1.1  # what a potential may exceed the calibration set's largest by

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
    """The largest |potential| that it hears; of relu, the largest potential."""
    if op.function == "relu":
        return Observation("operand", lambda v: v.max().clamp(min=0).double().cpu().numpy())
    return Observation("operand", lambda v: v.abs().max().double().cpu().numpy())


@calibration.folded.of(SiNeuron)
def _(op: SiNeuron, at: Position, coding: Coding) -> SiNeuron:
    """With the table of the smallest range that holds what was observed, one row per neuron; of relu, with its binary digits.

    Raises:
        DeployError: no range does, or no table has this many steps.
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
    """T = h = d of the FS neuron for ReLU: alpha 2^(K - t), t = 1 .. K, which spell numbers up to ``peak`` in steps of alpha.

    What lies between two steps is cut off. Source: C. Stoeckl and W. Maass, Nature Machine Intelligence 3, 2021.
    """
    alpha = (peak or 1.0) / (2.0**steps - 1)
    return alpha * 2.0 ** np.arange(steps - 1, -1, -1)
