"""Trained modules of Norse, captured, fire the spikes of Norse, every one of them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from converters.trained import Form, capture
from processes.errors import DeployError
from tests.converters.spiking_modules import FEATURES, FRAMES, equal


def norse_cell(name: str, **named: Any) -> Callable[[], nn.Module]:
    def build() -> nn.Module:
        norse = pytest.importorskip("norse.torch")
        kinds = {"LIFCell": norse.LIFParameters, "LIFBoxCell": norse.LIFBoxParameters, "IAFCell": norse.IAFParameters}
        return getattr(norse, name)(kinds[name](**named))

    return build


class NorseNet(nn.Module):
    """SequentialState, a frame at a time, its state handed back in."""

    def __init__(self, cell: Callable[[], nn.Module]) -> None:
        super().__init__()
        norse = pytest.importorskip("norse.torch")
        torch.manual_seed(1)
        self.net = norse.SequentialState(nn.Linear(FEATURES, 8), cell(), nn.Linear(8, 5), norse.LICell())
        self.net[0].weight.data *= 4

    def forward(self, x: Tensor, state: Any = None) -> Any:
        return self.net(x, state)


def t(x: float) -> Tensor:
    return torch.as_tensor(x)


def subtracting() -> Any:
    return pytest.importorskip("norse.torch.functional.reset").reset_subtract


NORSE = {
    "lif": ("LIFCell", lambda: dict(v_th=t(0.3))),
    "lif v_reset": ("LIFCell", lambda: dict(v_th=t(0.3), v_reset=t(-0.2), v_leak=t(0.1))),
    "box": ("LIFBoxCell", lambda: dict(v_th=t(0.3))),
    "box subtract": ("LIFBoxCell", lambda: dict(v_th=t(0.3), reset_method=subtracting())),
    "iaf": ("IAFCell", lambda: dict(v_th=t(1.5), v_reset=t(0.1))),
}


@pytest.mark.parametrize("case", NORSE)
def test_norse(case: str) -> None:
    pytest.importorskip("norse")
    name, named = NORSE[case]
    equal(NorseNet(norse_cell(name, **named())), (FEATURES,), "step", "each")


class NorseSequence(nn.Module):
    """Norse's layers that take all steps."""

    def __init__(self) -> None:
        super().__init__()
        norse = pytest.importorskip("norse.torch")
        torch.manual_seed(1)
        self.fc, self.lif = nn.Linear(FEATURES, 8), norse.LIF(norse.LIFParameters(v_th=t(0.3)))
        self.out, self.li = nn.Linear(8, 3), norse.LI()
        self.fc.weight.data *= 4

    def forward(self, x: Tensor) -> Tensor:
        spikes, _ = self.lif(self.fc(x))
        return self.li(self.out(spikes))[0]


def test_norse_sequences() -> None:
    pytest.importorskip("norse")
    equal(NorseSequence(), (FEATURES,), "sequence", "each")


class Recurrent(nn.Module):
    """A cell with weights of its own, on its inputs and on its spikes of the step before; other thresholds, leak and reset."""

    def __init__(self, kind: str) -> None:
        super().__init__()
        norse = pytest.importorskip("norse.torch")
        torch.manual_seed(1)
        p = norse.LIFParameters(v_th=t(0.2), v_leak=t(0.05), v_reset=t(-0.1))
        self.fc, self.lif, self.out = nn.Linear(FEATURES, 8), getattr(norse, kind)(8, 7, p=p), nn.Linear(7, 3)
        self.fc.weight.data *= 4
        self.lif.recurrent_weights.data *= 10


class Cell(Recurrent):
    """A frame at a time."""

    def forward(self, x: Tensor, state: Any = None) -> Any:
        spikes, state = self.lif(self.fc(x), state)
        return self.out(spikes), state


class AllSteps(Recurrent):
    """All frames."""

    def forward(self, x: Tensor) -> Tensor:
        return self.out(self.lif(self.fc(x))[0])


@pytest.mark.parametrize(
    "model, kind, form", [(Cell, "LIFRecurrentCell", "step"), (AllSteps, "LIFRecurrent", "sequence")]
)
def test_recurrent_cells(model: type[Recurrent], kind: str, form: Form) -> None:
    graph = equal(model(kind), (FEATURES,), form, "each")
    assert any(wire.carried for node in graph.nodes.values() for wire in node.wires)


@pytest.mark.parametrize("kind", ["LSNNRecurrentCell", "CobaLIFCell", "LILinearCell"])
def test_other_cells_are_refused_by_name(kind: str) -> None:
    norse = pytest.importorskip("norse.torch")
    model = norse.SequentialState(nn.Linear(FEATURES, 8), getattr(norse, kind)(8, 8))
    with pytest.raises(DeployError, match=rf"1 \({kind}\): no rule is known"):
        capture(model, (FEATURES,), "step", FRAMES)
