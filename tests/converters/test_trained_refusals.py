"""What of trained spiking modules is not captured is refused before anything runs, all of it, by name."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from converters.trained import Uncaptured, capture, nodes
from converters.trained.reference import readout
from processes.errors import DeployError
from tests.converters.spiking_modules import FEATURES, FRAMES, both
from tests.tolerances import ROUNDING


class Strange(nn.Module):
    """What has no form in spikes, twice."""

    def __init__(self) -> None:
        super().__init__()
        self.fc, self.lif = nn.Linear(FEATURES, 8), nodes.LIFNode()
        self.act, self.blocks = nn.GELU(), nn.Sequential(nn.Linear(8, 8), nn.LayerNorm(8))

    def forward(self, x: Tensor) -> Tensor:
        return self.blocks(self.lif(self.act(self.fc(x))))


def test_all_that_stands_in_the_way_is_named() -> None:
    with pytest.raises(Uncaptured) as error:
        capture(Strange(), (FEATURES,), "step", FRAMES)
    assert [(r.node, r.kind) for r in error.value.refusals] == [("act", "GELU")]
    with pytest.raises(Uncaptured, match=r"act \(GELU\).*blocks.1 \(LayerNorm\)"):
        capture(Both(), (FEATURES,), "step", FRAMES)


class Both(Strange):
    """Two branches, each with something of which there is no form."""

    def forward(self, x: Tensor) -> Tensor:
        return self.lif(self.act(self.fc(x))) + self.blocks(self.fc(x))


def test_settings_without_a_rule_are_named() -> None:
    snn = pytest.importorskip("snntorch")
    model = nn.Sequential(nn.Linear(FEATURES, 4), snn.Leaky(0.9, init_hidden=True), snn.SLSTM(4, 4))
    model[1].inhibition = True
    with pytest.raises(DeployError, match=r"1 \(Leaky\): inhibition.*2 \(SLSTM\): no rule"):
        capture(model, (FEATURES,), "step", FRAMES)


class Renamed(nodes.LIFNode):
    """Other settings of a node whose rule is known."""

    def __init__(self) -> None:
        super().__init__(tau=3.0, v_threshold=0.5)


class Slower(nodes.LIFNode):
    """Other equations."""

    def charged(self, x: Tensor) -> Tensor:
        return self.v + super().charged(x) / 2


def test_a_subclass_with_other_equations_is_refused() -> None:
    graph = capture(nn.Sequential(nn.Linear(FEATURES, 4), Renamed()), (FEATURES,), "step", FRAMES)
    assert "1" in graph.nodes
    with pytest.raises(DeployError, match=r"1 \(Slower\): no rule is known for its equations; register it"):
        capture(nn.Sequential(nn.Linear(FEATURES, 4), Slower()), (FEATURES,), "step", FRAMES)


class Difference(nn.Module):
    """Something between frames that is not in a neuron."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(1)
        self.fc, self.lif = nn.Linear(FEATURES, 4), nodes.MultiStepLIFNode(tau=2.0)
        self.fc.weight.data *= 4

    def forward(self, x: Tensor) -> Tensor:
        spikes = self.lif(self.fc(x))
        return spikes[0] if len(x) == 1 else spikes[-1] - spikes[0]


def test_what_happens_between_frames_outside_neurons_is_refused() -> None:
    graph, ours, theirs = both(Difference(), (FEATURES,), "sequence")
    with pytest.raises(DeployError, match="do not make the model's own"):
        readout(ours.outputs[graph.output], theirs.output, ROUNDING * 1e3, "sequence")


def test_a_forward_that_fails_by_itself_says_so() -> None:
    class Single(Difference):
        def forward(self, x: Tensor) -> Tensor:
            return self.lif(x @ torch.ones(FEATURES, 4) + self.fc(x))

    with pytest.raises(
        DeployError, match=r"Single's own forward fails with 100 samples in float64 \(form sequence\): "
    ):
        both(Single(), (FEATURES,), "sequence")


class Twice(nn.Module):
    """One population for two layers."""

    def __init__(self) -> None:
        super().__init__()
        self.fc, self.lif = nn.Linear(FEATURES, FEATURES), nodes.LIFNode()

    def forward(self, x: Tensor) -> Tensor:
        return self.lif(self.fc(self.lif(self.fc(x))))


def test_a_population_called_twice_in_a_step_is_refused() -> None:
    with pytest.raises(Uncaptured, match=r"lif \(LIFNode\): called twice within one step"):
        capture(Twice(), (FEATURES,), "step", FRAMES)


def test_a_clamp_alone_is_refused() -> None:
    class Clamped(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.fc, self.lif = nn.Linear(FEATURES, 8), nodes.LIFNode()

        def forward(self, x: Tensor) -> Tensor:
            return torch.clamp(self.lif(self.fc(x)) * 3, min=0, max=2)

    with pytest.raises(Uncaptured, match="clamps and does not round"):
        capture(Clamped(), (FEATURES,), "step", FRAMES)
