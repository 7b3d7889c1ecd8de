"""Whole networks on every backend and device: no code and no potential differs from those of compiled loops on the CPU."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn

from converters.discretise import discretise
from converters.integrate_and_fire import integrate_and_fire
from converters.rate import rate_coded
from deploy.demo import evaluation_data
from evaluator import network_file
from evaluator.closed_form import ClosedForm
from processes.backends import backend_named
from processes.backends.devices import device_named
from processes.chips import LOIHI2
from processes.errors import DeployError
from processes.network import Network
from processes.operation import Operation, Result
from processes.operations import OPERATIONS
from processes.phase_code import PhaseCode
from tests.converters.modules import lowered, module, spiking
from tests.evaluator.test_random_networks import SIT, SPIKED
from tests.evaluator.test_random_networks import converted as random_network
from tests.tolerances import ROUNDING

GOLDEN = Path(__file__).parents[1] / "golden" / "demo"
HAS_CUDA = pytest.mark.skipif(not torch.cuda.is_available(), reason="PyTorch sees no CUDA device here")
PLACES = ["torch on cpu", *(pytest.param(f"{name} on cuda", marks=HAS_CUDA) for name in ("torch", "triton"))]


def differing(network: Network, x: np.ndarray, place: str, dtype: torch.dtype, rounding: float = 0.0) -> list[str]:
    """Layers whose codes or potentials differ at a place ("backend on device"), each given the reference's operands.

    Real potentials may differ by ``rounding`` of the layer's largest; as many have to be clipped.
    """
    backend, device = place.split(" on ")
    expected: dict[str, torch.Tensor] = {}
    clipped: dict[str, int] = {}
    found: list[str] = []

    def keep(name: str, _: Operation, result: Result) -> None:
        expected[name], clipped[name] = result.values.clone(), result.clipped

    def compare(name: str, op: Operation, result: Result) -> torch.Tensor:
        y, wanted = result.values, expected[name]
        assert y.device.type == device and y.dtype == wanted.dtype
        allowed = 0 if op.fires else rounding * float(wanted.abs().max())
        if result.clipped != clipped[name] or bool(((y.cpu().double() - wanted.double()).abs() > allowed).any()):
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


@cache
def small(name: int | str) -> tuple[Network, Network | None, np.ndarray]:
    """A small network in floating point and, but for the rate-coded ones, in integers, and samples.

    By a random network's seed, "max pool", "rate" or "qcfs".
    """
    if isinstance(name, int):
        return random_network(name)
    x = torch.from_numpy(np.random.default_rng(0).normal(size=(8, 1, 6, 6)).astype(np.float32))
    pooled = module(
        lambda m, x: m.head(F.max_pool2d(F.relu(m.conv(x)), 2).flatten(1)),
        conv=nn.Conv2d(1, 4, 3),
        head=nn.Linear(16, 3),
    )
    if name == "max pool":
        network = spiking(pooled, x, PhaseCode(1.5, 8), spikes=2)
        return network, discretise(network, x.numpy(), LOIHI2), x.numpy()
    plain = module(lambda m, x: m.head(F.relu(m.conv(x)).flatten(1)), conv=nn.Conv2d(1, 4, 3), head=nn.Linear(64, 3))
    if name == "qcfs":
        return integrate_and_fire(lowered(plain, x), x.numpy(), "qcfs", 12)[0], None, x.numpy()
    return rate_coded(lowered(plain, x), x.numpy(), 12), None, x.numpy()


SMALL = (*SPIKED, *SIT, "max pool", "rate", "qcfs")


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("name", SMALL)
def test_small_networks_are_the_same(name: int | str, place: str):
    """Samples of the calibration set, far beyond it, and zero: potentials saturate and rows are silent."""
    floating, fixed, samples = small(name)
    assert differing(floating, samples[:2], place, torch.float64, ROUNDING) == []
    if fixed is not None:
        x = np.concatenate([samples[:2], 5 * samples[2:4], 0 * samples[:1]])
        assert differing(fixed, x, place, torch.float32) == []


def test_small_networks_have_every_operation():
    networks = [network for name in SMALL for network in small(name)[:2] if network is not None]
    assert {type(node.op) for network in networks for _, node in network} == set(OPERATIONS)


def test_a_threshold_that_moves_is_found(monkeypatch: pytest.MonkeyPatch):
    from processes.backends import torch as torch_backend

    race = torch_backend.race
    monkeypatch.setattr(torch_backend, "race", lambda v, tables, spikes: race(v * 1.01, tables, spikes))
    network = network_file.read(GOLDEN / "fixed.nir")
    found = differing(network, evaluation_data()[0][:1], "torch on cpu", torch.float32)
    assert found and all("softmax" in name or network[name].name == "woss" for name in found)


@pytest.mark.parametrize(
    ("function", "name"),
    [("fire", 3), ("fire_falling", 2), ("fire_fitted", 15), ("fire_exp", 13), ("fire_rate", "rate")],
)
def test_a_neuron_that_fires_otherwise_is_found(function: str, name: int | str, monkeypatch: pytest.MonkeyPatch):
    from processes.backends import torch as torch_backend

    right = getattr(torch_backend, function)
    monkeypatch.setattr(torch_backend, function, lambda v, *rest: right(v * 1.1, *rest))
    floating, _, samples = small(name)
    assert differing(floating, samples[:2], "torch on cpu", torch.float64, ROUNDING)


def test_a_clip_that_is_not_counted_is_found(monkeypatch: pytest.MonkeyPatch):
    from processes.backends import torch as torch_backend

    add_up = torch_backend.add_up
    monkeypatch.setattr(torch_backend, "add_up", lambda *given: (add_up(*given)[0], None))
    _, fixed, samples = small(6)
    assert fixed is not None
    assert differing(fixed, 5 * samples[2:4], "torch on cpu", torch.float32)


@pytest.mark.parametrize(
    ("name", "message"), [("mps", "64-bit"), ("nonsense", "not known"), ("cuda:99", "not here"), ("meta", "64-bit")]
)
def test_a_device_that_cannot_is_refused(name: str, message: str):
    with pytest.raises(DeployError, match=message):
        device_named(name)


def test_auto_finds_a_device():
    assert device_named("auto").type == ("cuda" if torch.cuda.is_available() else "cpu")
