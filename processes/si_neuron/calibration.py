"""Calibration of SI-neurons: the fitted table of the smallest range that holds the potentials that they hear."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from processes.calibration import (
    NEW_SPIKES,
    Coding,
    Observation,
    Position,
    accepts,
    as_it_is,
    as_operand,
    coded,
    factors,
    feature_axis,
    features,
    folded,
    observed,
    own_scale,
    picks,
    real_units,
    rescaled,
    scaled,
    shared,
    unit,
    used,
    weights,
    worth,
)
from processes.errors import DeployError
from processes.si_exp.table import load_table
from processes.si_neuron import SiNeuron

FITTED = ("gelu", "silu")  # functions of which tables are shipped
RANGES = (2.0, 4.0, 8.0, 16.0)  # of these tables, +-
HEADROOM = 1.1  # what a potential may exceed the calibration set's largest by

for trait in (scaled, rescaled, coded):
    trait.of(SiNeuron)(as_it_is)
factors.always("none", SiNeuron)
features.of(SiNeuron)(as_operand)
feature_axis.always(-1, SiNeuron)
weights.always("none", SiNeuron)
accepts.always("binary units", SiNeuron)
worth.of(SiNeuron)(own_scale)
picks.refuse(NEW_SPIKES, SiNeuron)
unit.of(SiNeuron)(real_units)
shared.always((), SiNeuron)
used.always(None, SiNeuron)


@observed.of(SiNeuron)
def _(op: SiNeuron, shape: tuple[int, ...]) -> Observation:
    """The largest |potential| that it hears."""
    return Observation("operand", lambda v: v.abs().max().double().numpy())


@folded.of(SiNeuron)
def _(op: SiNeuron, at: Position, coding: Coding) -> SiNeuron:
    """With the table of the smallest range that holds what was observed, one row per neuron.

    Raises:
        DeployError: no range does, or no table has this many steps.
    """
    assert coding.peak is not None
    peak = float(coding.peak)
    fits = [r for r in RANGES if r >= peak * HEADROOM]
    if not fits:
        held = f"'{at.name}': potentials of {op.function} reach {peak:.3g}, fitted tables +-{RANGES[-1]:g}"
        raise DeployError(f"{held}; use --activation schedule")
    heard = at.operands[0].unit
    heard = heard if heard.size > 1 else np.full((1,) * len(op.shape), heard.item())
    table = load_table(op.function, coding.code.steps, -fits[0], fits[0])
    per = 1.0 / heard.reshape(-1, 1)
    return replace(
        op, threshold=table.threshold[None] * per, reset=table.reset[None] * per, output=table.output, unit=heard
    )
