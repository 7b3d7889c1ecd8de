"""Conversions on another device than the CPU: a stand-in that refuses tensors of two devices, as no CUDA device is here."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from converters.pipeline import Conversion, Variant, convert_module
from evaluator.closed_form import ClosedForm
from processes import synapse
from processes.backends import backend_named, using
from processes.backends.constants import constant
from processes.backends.devices import CPU, current_device, on_device
from processes.network import Network
from tests.evaluator.test_random_networks import draw
from tests.stand_in import stand_in

pytestmark = pytest.mark.stand_in

METHODS = {"spiked-attention": (8, 1.5), "chosen codes": (8, None), "sit": (12, None)}


def converted(seed: int, how: str) -> tuple[Conversion, np.ndarray]:
    """A small network drawn at random, by every stage that there is, and samples."""
    model, samples = draw(seed)
    steps, base = METHODS[how]
    variant = Variant(method="sit" if how == "sit" else "spiked-attention")
    return convert_module(model, [samples], steps, base, spikes=1 + seed % 2, variant=variant), samples


def parameters(network: Network) -> dict[str, np.ndarray]:
    """Every array of a network, by node and field."""
    return {
        f"{name}.{field}": value
        for name, node in network
        for field, value in vars(node.op).items()
        if isinstance(value, np.ndarray)
    }


@pytest.mark.parametrize(("seed", "how"), [(1, "spiked-attention"), (2, "chosen codes"), (3, "sit")])
def test_every_stage_runs_there_and_makes_the_same_network(seed: int, how: str):
    device = stand_in()
    with using(backend_named("torch")):
        here, samples = converted(seed, how)
        wanted = ClosedForm(here.network).run(samples)
    with on_device(device):
        there, _ = converted(seed, how)
        found = ClosedForm(there.network).run(samples)
    assert current_device().type == "cpu"
    assert found.device == device and torch.equal(found.cpu(), wanted)
    mine, theirs = parameters(there.network), parameters(here.network)
    assert mine.keys() == theirs.keys()
    assert [name for name in mine if not np.array_equal(mine[name], theirs[name])] == []


def test_a_tensor_that_stays_behind_is_found(monkeypatch: pytest.MonkeyPatch):
    model, samples = draw(1)
    monkeypatch.setattr(synapse, "constant", lambda array, device, dtype=None: constant(array, CPU, dtype))
    with on_device(stand_in()), pytest.raises(RuntimeError, match="one device"):
        convert_module(model, [samples], 8, 1.5)


def test_the_stand_in_refuses_what_devices_refuse():
    x = torch.ones(3, device=stand_in())
    with pytest.raises(RuntimeError, match="one device"):
        x.add(torch.ones(3))
    with pytest.raises(RuntimeError, match="numpy"):
        x.numpy()
    assert torch.equal((x + 1).cpu(), torch.full((3,), 2.0))
