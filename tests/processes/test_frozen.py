"""Operations are frozen: what was derived from one is never out of date, and a run leaves nothing behind."""

from __future__ import annotations

from dataclasses import FrozenInstanceError, replace

import numpy as np
import pytest
import torch

from processes.calibration import rescaled
from processes.operation import REGISTRY, Operation
from processes.phase_neuron import PhaseNeuron
from processes.phase_neuron.schedule import FloatSchedule
from processes.residual import Centre


def neurons() -> PhaseNeuron:
    ones = np.ones((1, 1))
    return PhaseNeuron(
        shape=(1, 3), schedule=FloatSchedule(function="identity", scale=ones, unit=ones, base=1.2, steps=16)
    )


@pytest.mark.parametrize("kind", REGISTRY.values(), ids=lambda kind: kind.name)
def test_every_operation_is_frozen(kind: type[Operation]) -> None:
    assert kind.__dataclass_params__.frozen  # type: ignore[attr-defined]


def test_fields_and_arrays_refuse_to_be_written() -> None:
    op = neurons()
    with pytest.raises(FrozenInstanceError):
        op.spikes = 2  # type: ignore[misc]
    with pytest.raises(ValueError, match="read-only"):
        op.scale[:] = 2.0


def test_the_array_that_was_given_stays_the_callers() -> None:
    ones = np.ones((1, 1))
    FloatSchedule(function="identity", scale=ones, unit=ones, base=1.2, steps=16)
    ones[:] = 3.0


def test_another_scale_of_an_operation_that_has_run_is_that_of_a_fresh_one() -> None:
    v, scale = torch.tensor([[[0.9, 0.5, -0.6]]]), np.full((1, 1), 4.0)
    used = neurons()
    before = used.closed_form(v).values
    changed, fresh = (rescaled(op, scale).closed_form(v).values for op in (used, neurons()))
    assert (changed == fresh).all() and (changed != before).any()
    assert (used.closed_form(v).values == before).all()


def test_a_run_leaves_no_counts_behind() -> None:
    """Clips belong to the result; the next batch starts from none."""
    op = Centre(shape=(1, 2), state_bits=8)
    assert op.closed_form(torch.tensor([[[127, -127 * 3]]], dtype=torch.int32)).clipped == 2
    assert op.closed_form(torch.tensor([[[1, -1]]], dtype=torch.int32)).clipped == 0
    assert replace(op).__dict__.keys() == op.__dict__.keys()
