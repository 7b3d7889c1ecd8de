"""A stage is a type: passes take the one before theirs, and refuse any other with what is needed."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from converters.calibrate import calibrate, encode, scale, uniform
from converters.discretise import discretise
from converters.rate import rate_coded
from evaluator.closed_form import ClosedForm
from evaluator.network_file import restore
from processes import verifier
from processes.chips import LOIHI2
from processes.errors import DeployError
from processes.header import Header
from processes.network import (
    CalibratedNetwork,
    DenseSynapse,
    FixedPointNetwork,
    LoweredNetwork,
    PhaseNeuron,
    ScaledNetwork,
)
from processes.phase_code import PhaseCode
from tests.converters.modules import lowered, module

CODE = PhaseCode(1.4, 8)
X = torch.rand(6, 3, 4, generator=torch.Generator().manual_seed(0))


@pytest.fixture(scope="module")
def stages() -> tuple[LoweredNetwork, CalibratedNetwork, FixedPointNetwork]:
    model = module(lambda m, x: m.b(torch.relu(m.a(x))), a=nn.Linear(4, 5), b=nn.Linear(5, 2))
    ideal = lowered(model, X)
    calibrated = calibrate(ideal, X.numpy(), CODE)
    return ideal, calibrated, discretise(calibrated, X.numpy(), LOIHI2)


def test_passes_leave_what_they_take_as_it_is(stages) -> None:
    ideal, calibrated, fixed = stages
    assert [type(network) for network in stages] == [LoweredNetwork, CalibratedNetwork, FixedPointNetwork]
    assert [network.header.precision for network in stages] == [None, "float", "fixed"] and ideal.header == Header()
    assert not any(calibrated[name] is fixed[name] for name, node in fixed)


def test_a_lowered_network_is_not_run_as_spikes(stages) -> None:
    with pytest.raises(DeployError, match=r"closed form takes a CalibratedNetwork.*this is a LoweredNetwork"):
        ClosedForm(stages[0]).run(X)


@pytest.mark.parametrize("stage", [1, 2])
def test_the_ideal_of_a_coded_network_is_not_run(stages, stage: int) -> None:
    with pytest.raises(DeployError, match="ideal takes a LoweredNetwork"):
        ClosedForm(stages[stage], ideal=True).run(X)


@pytest.mark.parametrize("stage", [0, 2])
def test_only_a_calibrated_network_is_discretised(stages, stage: int) -> None:
    """Neither one without codes, nor one that is in integers already."""
    with pytest.raises(DeployError, match="discretisation takes a CalibratedNetwork"):
        discretise(stages[stage], X.numpy(), LOIHI2)


@pytest.mark.parametrize("stage", [1, 2])
def test_only_a_lowered_network_is_calibrated(stages, stage: int) -> None:
    with pytest.raises(DeployError, match="calibration takes a LoweredNetwork"):
        calibrate(stages[stage], X.numpy(), CODE)
    with pytest.raises(DeployError, match="rate coding takes a LoweredNetwork"):
        rate_coded(stages[stage], X.numpy(), 8)


def test_codes_need_scales(stages) -> None:
    scaled, peaks = scale(stages[0], X.numpy())
    assert isinstance(scaled, ScaledNetwork)
    with pytest.raises(DeployError, match="coding takes a ScaledNetwork"):
        encode(stages[0], uniform(stages[0], 1.4, 1), CODE, peaks)  # type: ignore[arg-type]


def test_files_restore_the_stage(stages) -> None:
    assert [type(restore(network.to_nir())) for network in stages[1:]] == [CalibratedNetwork, FixedPointNetwork]


def test_a_float_among_integers_is_found(stages) -> None:
    for kind, field in ((DenseSynapse, "weight"), (DenseSynapse, "bias")):
        broken = stages[2].copy()
        name = next(name for name, node in broken if isinstance(node.op, kind))
        broken.put(name, replace(broken[name], **{field: getattr(broken[name], field).astype(np.float64)}))
        with pytest.raises(DeployError, match=f"FixedPointNetwork: {field} holds float64"):
            verifier.check(broken)


def test_an_integer_operation_before_discretisation_is_found(stages) -> None:
    broken = stages[1].copy()
    name = next(name for name, node in broken if isinstance(node.op, PhaseNeuron))
    broken.put(name, stages[2][name])
    with pytest.raises(DeployError, match="in integers of 24 bits before discretisation"):
        verifier.check(broken)


def test_a_potential_wider_than_the_chips_is_found(stages) -> None:
    broken = stages[2].copy()
    name = next(name for name, node in broken if isinstance(node.op, DenseSynapse))
    broken.put(name, replace(broken[name], state_bits=28))
    with pytest.raises(DeployError, match="state_bits is 28, and loihi2 holds potentials of 24"):
        verifier.check(broken)
