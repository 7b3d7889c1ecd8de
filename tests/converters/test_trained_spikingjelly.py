"""Nodes of SpikingJelly itself, captured, fire its spikes, and those of converters/trained/nodes.py are the same.

`make interop` runs this with each release; it is skipped where none is installed. Releases up to 0.0.0.0.12 have
`clock_driven`, later ones `activation_based`.
"""

from __future__ import annotations

import warnings
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from converters.trained import capture, nodes
from processes.errors import DeployError
from processes.spiking import MaxPool
from tests.converters.spiking_modules import FEATURES, FRAMES, Beside, Two, equal

pytest.importorskip("spikingjelly")
with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # old releases compile their resets with what torch gives up
    try:
        from spikingjelly.activation_based import functional, layer, neuron
    except ImportError:
        from spikingjelly.clock_driven import neuron

OLD = hasattr(neuron, "MultiStepLIFNode")
pytestmark = pytest.mark.filterwarnings("ignore::FutureWarning", "ignore::DeprecationWarning")

CASES: list[tuple[str, dict[str, Any]]] = [
    (kind, named | {"v_reset": v_reset})
    for kind, named in (
        ("IFNode", {}), ("IFNode", {"v_threshold": 0.6}), ("LIFNode", {"tau": 2.0}),
        ("LIFNode", {"tau": 3.0, "decay_input": False, "v_threshold": 1.2}), ("ParametricLIFNode", {"init_tau": 2.7}),
        ("ParametricLIFNode", {"init_tau": 1.6, "decay_input": False, "v_threshold": 1.5}),
    )
    for v_reset in (None, 0.0, -0.3)
]  # fmt: skip


def node(kind: str, named: dict[str, Any], every: bool = False) -> nn.Module:
    """SpikingJelly's, for one step or for every."""
    if not every:
        return getattr(neuron, kind)(**named)
    return getattr(neuron, f"MultiStep{kind}")(**named) if OLD else getattr(neuron, kind)(**named, step_mode="m")


def test_steps() -> None:
    models = {f"{i} {kind}": Two(lambda k=kind, n=named: node(k, n)) for i, (kind, named) in enumerate(CASES)}
    equal(Beside(models), (FEATURES,), "step", "each")


class All(Two):
    """All steps at once."""

    def __init__(self, kind: str, named: dict[str, Any]) -> None:
        super().__init__(lambda: node(kind, named, every=True))
        self.last: nn.Module = node("LIFNode", {"tau": 1.5}, every=True)


def test_all_steps_at_once() -> None:
    equal(Beside({f"{i} {k}": All(k, n) for i, (k, n) in enumerate(CASES)}), (FEATURES,), "sequence", "each")


@torch.no_grad()
@pytest.mark.parametrize("kind, named", CASES)
def test_the_compatible_nodes_are_those(kind: str, named: dict[str, Any]) -> None:
    theirs, ours = node(kind, named).double(), getattr(nodes, kind)(**named).double()
    other = getattr(nodes, kind)(**named | {"v_threshold": named.get("v_threshold", 1.0) * 1.01}).double()
    x = torch.randn(FRAMES, 2000, generator=torch.Generator().manual_seed(0), dtype=torch.float64) * 2
    found = [torch.stack([model(frame) for frame in x]) for model in (theirs, ours, other)]
    assert torch.equal(found[0], found[1]) and 0.03 < float(found[0].mean()) < 0.9
    assert not torch.equal(found[0], found[2])
    assert torch.allclose(theirs.v, ours.v)


@pytest.mark.skipif(OLD, reason="layers with a step mode came with activation_based")
def test_layers_with_a_step_mode_and_a_reset_in_forward() -> None:
    class CSNN(nn.Module):
        """The form of SpikingJelly's tutorials."""

        def __init__(self) -> None:
            super().__init__()
            torch.manual_seed(0)
            self.T = FRAMES
            self.net = nn.Sequential(
                layer.Conv2d(1, 4, 3, padding=1, bias=False), layer.BatchNorm2d(4), neuron.IFNode(), layer.MaxPool2d(2, 2),
                layer.Flatten(), layer.Linear(36, 8, bias=False), layer.Dropout(0.5), neuron.LIFNode(v_threshold=0.3),
            )  # fmt: skip
            self.net[5].weight.data *= 4
            functional.set_step_mode(self.net, "m")

        def forward(self, x: Tensor) -> Tensor:
            functional.reset_net(self)
            return self.net(x.unsqueeze(0).repeat(self.T, 1, 1, 1, 1)).mean(0)

    graph = equal(CSNN(), (1, 6, 6), "static", "mean")
    assert any(isinstance(node.op, MaxPool) for node in graph.nodes.values())


def test_nodes_with_other_equations_are_refused_by_name() -> None:
    """Also where they are subclasses of nodes with a rule."""
    others = [
        name for name in ("QIFNode", "EIFNode", "KLIFNode", "ILIFNode", "PSN", "SimpleIFNode") if hasattr(neuron, name)
    ]
    assert len(others) >= 2
    for name in others:
        model = nn.Sequential(nn.Linear(FEATURES, 4), getattr(neuron, name)(**({"T": FRAMES} if name == "PSN" else {})))
        with pytest.raises(DeployError, match=rf"1 \({name}\): .*register"):
            capture(model, (FEATURES,), "step", FRAMES)
