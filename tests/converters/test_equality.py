"""A network that lowers to something else than its model is refused, with the first operation that differs."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

import converters.lowering as lowering
from converters.capture import capture
from converters.lowering import lower
from converters.lowering.builder import PLAIN
from converters.lowering.equality import WrongLowering, check_equal
from converters.pipeline import convert_module
from converters.rate import convert_rate_coded
from processes.errors import DeployError


class Net(nn.Module):
    """Two layers, the second of which is wrong where a test breaks the handler of ReLU."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.first, self.second = nn.Linear(6, 8), nn.Linear(8, 3)
        self.act = nn.ReLU()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.second(self.act(self.first(x)))


def samples() -> np.ndarray:
    return np.random.default_rng(0).normal(size=(6, 4, 6)).astype(np.float32)


@pytest.fixture
def broken_relu(monkeypatch: pytest.MonkeyPatch) -> None:
    """ReLU lowers to the identity."""
    lower(capture(Net(), (torch.from_numpy(samples()[:1]),)), (1, 4, 6))  # by now, handlers are registered
    assert "relu" in lowering.HANDLERS
    monkeypatch.setitem(lowering.HANDLERS, "relu", lambda call: call.args[0])


def test_what_equals_its_model_passes():
    x = samples()
    captured = capture(Net(), (torch.from_numpy(x[:1]),))
    check_equal(captured, lower(captured, (1, 4, 6)), [x], False, PLAIN)


@pytest.mark.parametrize("convert", [convert_module, convert_rate_coded])
def test_a_wrong_handler_is_refused_by_every_conversion(broken_relu: None, convert):
    with pytest.raises(WrongLowering, match=r"differs from the model by .* first in 'aten\.relu.*' at 'act', by"):
        convert(Net(), [samples()], 8)


@pytest.mark.parametrize("fault", [float("nan"), float("inf")])
def test_a_model_whose_own_output_is_not_finite_is_refused_by_the_operation_that_makes_it_so(fault: float):
    x, net = samples(), Net()
    net.first.bias.data[0] = fault
    captured = capture(net, (torch.from_numpy(x[:1]),))
    with pytest.raises(
        DeployError, match=r"model itself .* calibration sample 0, first in 'aten\.linear.*' at 'first'"
    ):
        check_equal(captured, lower(captured, (1, 4, 6)), [x], False, PLAIN)


def test_what_is_wrong_after_translation_is_said_to_be_so():
    x = samples()
    captured = capture(Net(), (torch.from_numpy(x[:1]),))
    network = lower(captured, (1, 4, 6))
    name = next(name for name, node in network if node.op.name == "dense")
    network.put(name, replace(network[name], bias=network[name].bias + 1.0))  # type: ignore[attr-defined]
    with pytest.raises(WrongLowering, match="simplified after every operation"):
        check_equal(captured, network, [x], False, PLAIN)
