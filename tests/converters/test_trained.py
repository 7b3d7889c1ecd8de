"""Trained spiking modules: captured, they fire the spikes of their own framework, every one of them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from converters.trained import capture, nodes, register
from converters.trained.reference import readout
from processes.errors import DeployError
from processes.spiking import Affine, Levels, Neuron
from targets.nir_graph.program import Stepper, interpret
from targets.trained.program import compile_fixed, compile_float
from tests.converters.spiking_modules import FEATURES, FRAMES, SAMPLES, Beside, Two, both, equal, frames
from tests.tolerances import INT8_SPIKES, ROUNDING


def snntorch(name: str, *arguments: Any, **named: Any) -> Callable[[], nn.Module]:
    def build() -> nn.Module:
        snn = pytest.importorskip("snntorch")
        return getattr(snn, name)(*arguments, init_hidden=True, **named)

    return build


BETAS = torch.linspace(0.5, 0.95, 8)


RESETS = [dict(reset_mechanism=r, reset_delay=d) for r in ("subtract", "zero", "none") for d in (True, False)]


SNNTORCH: list[tuple[str, Any, dict[str, Any]]] = [
    *(("Leaky", 0.9, named) for named in RESETS),
    *(("Synaptic", 0.7, dict(beta=0.8) | named) for named in RESETS),
    *(("RLeaky", 0.8, dict(linear_features=8) | named) for named in RESETS[:4]),
    *(("Alpha", 0.9, dict(beta=0.8, reset_mechanism=r, threshold=0.6)) for r in ("subtract", "zero", "none")),
    *(("Lapicque", 0.8, dict(reset_mechanism=r, threshold=0.4)) for r in ("subtract", "zero", "none")),
    ("RLeaky", 0.8, dict(all_to_all=False, V=torch.linspace(-1, 1, 8))),
    ("RSynaptic", 0.7, dict(beta=0.8, linear_features=8)),
    ("Leaky", BETAS, dict(threshold=torch.linspace(0.5, 2, 8))),
    ("Leaky", 1.3, dict(threshold=0.7)),
    ("Leaky", 0.9, dict(graded_spikes_factor=0.5)),
]


def all_of_snntorch() -> nn.Module:
    return Beside(
        {f"{i} {name}": Two(snntorch(name, decay, **named)) for i, (name, decay, named) in enumerate(SNNTORCH)}
    )


def test_snntorch() -> None:
    graph = equal(all_of_snntorch(), (FEATURES,), "step", "each")
    assert sum(isinstance(node.op, Neuron) for node in graph.nodes.values()) == 2 * len(SNNTORCH)


def test_every_neuron_in_integers() -> None:
    """Those that feed themselves and send graded spikes, too; most of their spikes stay."""
    cases = [case for case in SNNTORCH if case[0] in ("Alpha", "RSynaptic", "Lapicque")] + [
        ("RLeaky", 0.8, dict(linear_features=8, reset_mechanism=r)) for r in ("subtract", "zero")
    ]
    models = {f"{i} {name}": Two(snntorch(name, decay, **named)) for i, (name, decay, named) in enumerate(cases)}
    for model in list(models.values())[-2:]:
        model.under_test.graded_spikes_factor.fill_(0.5)  # type: ignore[operator, union-attr]
    graph, ours, theirs = both(Beside(models), (FEATURES,), "step")
    assert all(np.array_equal(ours.spikes[name], spikes) for name, spikes in theirs.spikes.items())
    x = frames((FEATURES,), "step").reshape(SAMPLES, FRAMES, *graph.nodes[graph.input].shape)
    fixed = interpret(compile_fixed(graph, ours.peaks, x), {graph.input: x})
    for name, spikes in ours.spikes.items():
        assert (fixed.spikes[name] != spikes).mean() < INT8_SPIKES, name
    assert not fixed.overflows and any("graded" in name for name in graph.nodes)


def test_a_delayed_reset_at_once_fires_other_spikes() -> None:
    """What the tests above would see."""
    pytest.importorskip("snntorch")
    model = Two(snntorch("Leaky", 0.9))
    graph, _, theirs = both(model, (FEATURES,), "step")
    node = graph.nodes["under_test"]
    assert isinstance(node.op, Neuron)
    for wrong in (
        replace(node.op.rule, after=None),
        replace(node.op.rule, after=None, reset="subtract", inclusive=False, threshold=np.asarray(1.01)),
    ):
        broken = replace(graph, nodes=graph.nodes | {"under_test": replace(node, op=Neuron(wrong))})
        ours = interpret(compile_float(broken), {"input": frames((FEATURES,), "step").reshape(SAMPLES, FRAMES, 1, -1)})
        assert not np.array_equal(ours.spikes["under_test"], theirs.spikes["under_test"])


class Loop(nn.Module):
    """The form of snnTorch's tutorials: states by hand, a loop over steps, recordings of all."""

    def __init__(self) -> None:
        super().__init__()
        snn = pytest.importorskip("snntorch")
        torch.manual_seed(2)
        self.num_steps = FRAMES
        self.conv, self.norm, self.lif1 = nn.Conv2d(1, 4, 3, padding=1), nn.BatchNorm2d(4), snn.Leaky(0.9)
        self.pool, self.fc, self.lif2 = nn.MaxPool2d(2), nn.Linear(36, 10), snn.Synaptic(0.7, 0.9)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        mem1 = self.lif1.init_leaky()
        syn2, mem2 = self.lif2.init_synaptic()
        spikes, potentials = [], []
        for _ in range(self.num_steps):
            spk1, mem1 = self.lif1(self.norm(self.conv(x)), mem1)
            spk2, syn2, mem2 = self.lif2(self.fc(self.pool(spk1).flatten(1)), syn2, mem2)
            spikes.append(spk2)
            potentials.append(mem2)
        return torch.stack(spikes), torch.stack(potentials)


class Potentials(Loop):
    """Its output is the membrane potential of the last layer."""

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        spikes, potentials = super().forward(x)
        return potentials, spikes


def test_a_loop_over_steps() -> None:
    equal(Loop(), (1, 6, 6), "static", "each")
    graph = equal(Potentials(), (1, 6, 6), "static", "each")
    assert not any(isinstance(node.op, Affine) for node in graph.nodes.values())  # the batch norm is in the weights


JELLY = [
    (kind, named | {"v_reset": v_reset})
    for kind, named in (
        ("IFNode", {}), ("LIFNode", {"tau": 2.0}), ("LIFNode", {"tau": 3.0, "decay_input": False, "v_threshold": 1.2}),
        ("ParametricLIFNode", {"init_tau": 2.7}),
    )
    for v_reset in (None, 0.0, -0.3)
]  # fmt: skip


def all_of_spikingjelly() -> nn.Module:
    return Beside(
        {f"{i} {kind}": Two(lambda k=kind, n=named: getattr(nodes, k)(**n)) for i, (kind, named) in enumerate(JELLY)}
    )


def test_spikingjelly() -> None:
    equal(all_of_spikingjelly(), (FEATURES,), "step", "each")


class MultiStep(nn.Module):
    """The form of clock_driven models: (T, batch, ...) folded into the batch around every layer."""

    def __init__(self, iand: bool = False) -> None:
        super().__init__()
        torch.manual_seed(3)
        self.iand = iand
        self.conv, self.bn = nn.Conv2d(1, 8, 3, padding=1, bias=False), nn.BatchNorm2d(8)
        self.lif = nodes.MultiStepLIFNode(tau=2.0, detach_reset=True, backend="cupy")
        self.conv2, self.bn2 = nn.Conv2d(8, 8, 3, padding=1, groups=4, bias=False), nn.BatchNorm2d(8)
        self.lif2 = nodes.MultiStepParametricLIFNode(init_tau=2.0, v_reset=None)
        self.conv2.weight.data *= 5
        self.pool, self.head = nn.MaxPool2d(3, 2, 1), nn.Linear(8, 5)

    def forward(self, x: Tensor) -> Tensor:
        steps, batch = x.shape[:2]
        y = self.bn(self.conv(x.flatten(0, 1)))
        shortcut = self.lif(y.reshape(steps, batch, *y.shape[1:]).contiguous())
        y = self.bn2(self.conv2(shortcut.flatten(0, 1)))
        y = self.lif2(y.reshape(steps, batch, *y.shape[1:]).contiguous())
        y = shortcut * (1 - y) if self.iand else shortcut + y
        y = self.pool(y.flatten(0, 1))
        return self.head(y.reshape(steps, batch, *y.shape[1:]).flatten(3).mean(3)).mean(0)


@pytest.mark.parametrize("iand", [False, True])
def test_shortcuts_of_spikes(iand: bool) -> None:
    graph = equal(MultiStep(iand), (1, 8, 8), "sequence", "mean")
    assert ("product" in graph.binary()) == iand


class BatchFirst(nn.Module):
    """Takes (batch, T, ...), starts anew at every call and steps by itself, through layers deep enough to matter."""

    def __init__(self, sums: bool) -> None:
        super().__init__()
        torch.manual_seed(7)
        self.sums = sums
        layers = [
            (nn.Linear(FEATURES, FEATURES), nodes.LIFNode(v_threshold=0.5, v_reset=v)) for v in (None, 0.0, -0.1) * 2
        ]
        self.net = nn.Sequential(*(part for pair in layers for part in pair))
        for layer, _ in layers:
            layer.weight.data *= 4

    def forward(self, x: Tensor) -> Tensor:
        nodes.reset_net(self)
        steps = torch.stack([self.net(x[:, t]) for t in range(x.shape[1])], 1)
        return steps.sum(1) if self.sums else steps


def test_frames_behind_the_batch() -> None:
    equal(BatchFirst(sums=True), (FEATURES,), "batch", "sum")
    graph = equal(BatchFirst(sums=False), (FEATURES,), "batch", "each")
    _, ours, theirs = both(BatchFirst(sums=False), (FEATURES,), "batch")
    with pytest.raises(DeployError, match="do not make the model's own"):  # in the order of another form
        readout(ours.outputs[graph.output], theirs.output, ROUNDING * 1e3, "sequence")
    _, ours, theirs = both(BatchFirst(sums=False), (FEATURES,), "sequence")  # which it does not take
    assert not np.array_equal(ours.spikes["net.1"], theirs.spikes["net.1"])


class Own(nn.Module):
    """Somebody's neuron."""

    def __init__(self, decay: float) -> None:
        super().__init__()
        self.decay = nn.Parameter(torch.tensor(decay))
        self.reset()

    def reset(self) -> None:
        self.mem: Any = 0.0

    def forward(self, x: Tensor) -> Tensor:
        self.mem = self.decay * self.mem + x
        spike = (self.mem > 1.0).to(x.dtype)
        self.mem = self.mem * (1 - spike)
        return spike


def test_a_registered_neuron(monkeypatch: pytest.MonkeyPatch) -> None:
    from converters.trained import leaves

    monkeypatch.setattr(leaves, "_REGISTERED", {})
    only = nn.Sequential(nn.Linear(FEATURES, 4), Own(0.7))
    with pytest.raises(DeployError, match="no neurons of snnTorch, Norse or SpikingJelly"):
        capture(only, (FEATURES,), "step", FRAMES)
    register(Own, decay=lambda m: m.decay, threshold=lambda m: 1.0, reset="set")
    equal(Two(lambda: Own(0.7)), (FEATURES,), "step", "each")


class Bordered(nn.Module):
    """A padded image whose border is assigned, as in the published code of Spike-driven Transformer V2."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(4)
        self.bn, self.lif, self.conv = nn.BatchNorm2d(2), nodes.LIFNode(v_threshold=0.7), nn.Conv2d(2, 4, 3, bias=False)
        self.last = nodes.LIFNode(v_threshold=0.3)

    def forward(self, x: Tensor) -> Tensor:
        x = nn.functional.pad(self.bn(self.lif(x)), (1, 1, 1, 1))
        border = (self.bn.bias - self.bn.running_mean * self.bn.weight).view(1, -1, 1, 1)  # type: ignore[operator]
        x[:, :, 0:1, :] = border
        x[:, :, -1:, :] = border
        x[:, :, :, 0:1] = border
        x[:, :, :, -1:] = border
        return self.last(self.conv(x))


def test_what_is_assigned_to_a_signal() -> None:
    equal(Bordered(), (2, 5, 5), "step", "each")


class Rounded(torch.autograd.Function):
    """A MultiSpike activation as the code of Spike-driven Transformer V3 has it."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, most: int) -> Tensor:  # type: ignore[override]
        return torch.round(torch.clamp(x, min=0, max=most))

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Any:
        return gradients[0], None


class MultiSpike(nn.Module):
    """Integer activations of 4 levels, one of them normalised."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(5)
        self.first, self.second, self.head = nn.Linear(FEATURES, 8), nn.Linear(8, 8), nn.Linear(8, 3)
        self.first.weight.data *= 5

    def forward(self, x: Tensor) -> Tensor:
        levels = Rounded.apply(self.first(x), 4)
        assert isinstance(levels, Tensor)
        return self.head(torch.round(torch.clamp(self.second(levels), min=0, max=4)) / 4)


def test_integer_activations() -> None:
    model = MultiSpike()
    graph, ours, theirs = both(model, (FEATURES,), "step")
    assert readout(ours.outputs[graph.output], theirs.output, ROUNDING * 1e3, "step") == "each"
    levels = [name for name, node in graph.nodes.items() if isinstance(node.op, Levels)]
    assert len(levels) == 2
    x = frames((FEATURES,), "step").reshape(SAMPLES, FRAMES, 1, FEATURES)
    fixed = compile_fixed(graph, ours.peaks, x)
    stepper = Stepper(fixed, list(fixed.stages))
    sent = [stepper.step({"input": fixed.encode("input", x)[:, step]})[levels[0]] for step in range(FRAMES)]
    with torch.no_grad():
        wanted = Rounded.apply(model.first(torch.from_numpy(x[:, :, 0])), 4)
    assert isinstance(wanted, Tensor)
    found = np.stack([np.asarray(message) for message in sent], 1)[:, :, 0]
    assert found.dtype == np.int64 and set(np.unique(found)) == set(range(5))
    assert 0 < (found != wanted.numpy()).mean() < 0.05  # 8-bit weights


class QCFS(nn.Module):
    """The neuron of networks that quantised clip-floor-shift has converted, as published: T along the batch."""

    def __init__(self, steps: int, theta: float) -> None:
        super().__init__()
        self.T, self.thresh = steps, nn.Parameter(torch.tensor([theta]))

    def forward(self, x: Tensor) -> Tensor:
        mem, sent = self.thresh / 2, []
        for frame in x.unflatten(0, (self.T, -1)):
            mem = mem + frame
            spike = ((mem - self.thresh) >= 0).to(x.dtype) * self.thresh
            mem = mem - spike
            sent.append(spike)
        return torch.cat(sent)


class Converted(nn.Module):
    """Two layers of them."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(6)
        self.T = FRAMES
        self.net = nn.Sequential(
            nn.Linear(FEATURES, 8), QCFS(FRAMES, 0.8), nn.Linear(8, 8), QCFS(FRAMES, 0.3), nn.Linear(8, 3)
        )
        self.net[2].weight.data *= 3

    def forward(self, x: Tensor) -> Tensor:
        return self.net(x.repeat(self.T, 1)).unflatten(0, (self.T, -1)).mean(0)


def test_networks_that_qcfs_has_converted(monkeypatch: pytest.MonkeyPatch) -> None:
    """Spike for spike, and as close to the quantised network as its rule says: its levels are k theta / T."""
    from converters.trained import leaves

    monkeypatch.setattr(leaves, "_REGISTERED", {})
    named: dict[str, Any] = {"reset": "subtract", "inclusive": True}
    for start in (0.5, 0.0):
        register(
            QCFS,
            lambda m: 1.0,
            lambda m: m.thresh,
            initial=lambda m, s=start: m.thresh * s,
            height=lambda m: m.thresh,
            **named,
        )
        if start == 0.5:
            graph = equal(Converted(), (FEATURES,), "static", "mean")
            assert graph.binary() >= {"net.1", "net.3"}
        else:  # without the shift of half a threshold its spikes are others
            _, ours, theirs = both(Converted(), (FEATURES,), "static")
            assert not np.array_equal(ours.spikes["net.1"], theirs.spikes["net.1"])
