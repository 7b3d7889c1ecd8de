"""Whole networks on every backend and device: no code and no potential differs from those of compiled loops on the CPU."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from deploy.demo import evaluation_data
from evaluator import network_file
from evaluator.closed_form import ClosedForm
from processes.backends import backend_named
from processes.backends.devices import device_named
from processes.errors import DeployError
from processes.network import Network
from processes.operation import Operation, Result
from tests.tolerances import ROUNDING

GOLDEN = Path(__file__).parents[1] / "golden" / "demo"
HAS_CUDA = pytest.mark.skipif(not torch.cuda.is_available(), reason="PyTorch sees no CUDA device here")
PLACES = ["torch on cpu", *(pytest.param(f"{name} on cuda", marks=HAS_CUDA) for name in ("torch", "triton"))]


def differing(network: Network, x: np.ndarray, place: str, dtype: torch.dtype, rounding: float = 0.0) -> list[str]:
    """Layers whose codes or potentials differ at a place ("backend on device"), each given the reference's operands.

    Real potentials may differ by ``rounding`` of the layer's largest.
    """
    backend, device = place.split(" on ")
    expected: dict[str, torch.Tensor] = {}
    found: list[str] = []

    def keep(name: str, _: Operation, result: Result) -> None:
        expected[name] = result.values.clone()

    def compare(name: str, op: Operation, result: Result) -> torch.Tensor:
        y, wanted = result.values, expected[name]
        assert y.device.type == device and y.dtype == wanted.dtype
        allowed = 0 if op.fires else rounding * float(wanted.abs().max())
        if bool(((y.cpu().double() - wanted.double()).abs() > allowed).any()):
            found.append(name)
        return wanted.to(y.device)

    ClosedForm(network, dtype).run(x, keep)
    ClosedForm(network, dtype, device=torch.device(device), backend=backend_named(backend)).run(x, compare)
    return found


@pytest.mark.parametrize("place", PLACES)
def test_the_demo_in_fixed_point_is_the_same_to_the_last_code_and_potential(place: str):
    network = network_file.read(GOLDEN / "fixed.nir")
    assert differing(network, evaluation_data()[0][:4], place, torch.float32) == []


@pytest.mark.parametrize("place", PLACES)
def test_the_demo_in_floating_point_fires_the_same(place: str):
    network = network_file.read(GOLDEN / "float.nir")
    assert differing(network, evaluation_data()[0][:4], place, torch.float64, ROUNDING) == []


def test_a_threshold_that_moves_is_found(monkeypatch: pytest.MonkeyPatch):
    from processes.backends import torch as torch_backend

    race = torch_backend.race
    monkeypatch.setattr(torch_backend, "race", lambda v, tables, spikes: race(v * 1.01, tables, spikes))
    network = network_file.read(GOLDEN / "fixed.nir")
    found = differing(network, evaluation_data()[0][:1], "torch on cpu", torch.float32)
    assert found and all("softmax" in name or network[name].name == "woss" for name in found)


@pytest.mark.parametrize(
    ("name", "message"), [("mps", "64-bit"), ("nonsense", "not known"), ("cuda:99", "not here"), ("meta", "64-bit")]
)
def test_a_device_that_cannot_is_refused(name: str, message: str):
    with pytest.raises(DeployError, match=message):
        device_named(name)


def test_auto_finds_a_device():
    assert device_named("auto").type == ("cuda" if torch.cuda.is_available() else "cpu")
