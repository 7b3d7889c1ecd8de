"""NeuroBench's metrics of trained spiking networks: by hand, and next to NeuroBench's own on networks that both run."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from converters.trained import capture, nodes
from deploy.trained.count import Counting
from deploy.trained.neurobench import neurobench
from deploy.trained.report import NeuroBench
from targets.trained.program import compile_float

STEPS, SAMPLES = 5, 4


class Net(nn.Module):
    """A convolution of pixels with a border of zeros, and a layer of spikes, a third of whose synapses are cut."""

    def __init__(self, neuron: Any) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.conv, self.first, self.fc, self.second = (
            nn.Conv2d(1, 3, 3, padding=1),
            neuron(),
            nn.Linear(108, 5),
            neuron(),
        )
        self.conv.weight.data *= 4
        self.fc.weight.data *= 3
        self.fc.weight.data[:, ::3] = 0

    def forward(self, x: Tensor) -> Any:
        return self.second(self.fc(self.first(self.conv(x)).flatten(1)))


def frames() -> np.ndarray:
    """Images with zeros in them, held."""
    x = np.random.default_rng(0).uniform(-1, 2, (SAMPLES, 1, 1, 6, 6)).clip(0)
    return np.repeat(x, STEPS, 1).astype(np.float32)


def counted(model: nn.Module) -> NeuroBench:
    """Our metrics, counted in two batches."""
    graph = capture(model.eval(), (1, 6, 6), "step", STEPS)
    x = frames().astype(np.float64)
    counting = Counting(graph, compile_float(graph))
    for part in (x[:1], x[1:]):
        counting.run(part.reshape(len(part), STEPS, *graph.nodes[graph.input].shape))
    return neurobench(counting)


def test_by_loops() -> None:
    model = Net(nodes.LIFNode).eval()
    found = counted(model)
    assert found.Footprint == 4 * (27 + 3 + 540 + 5) and found.ConnectionSparsity == 180 / 567
    macs = acs = spikes = 0
    kept = (model.fc.weight != 0).numpy()
    taps = nn.functional.conv2d(torch.ones(1, 1, 6, 6), torch.ones(3, 1, 3, 3), padding=1).sum().item()
    for image in torch.from_numpy(frames()):
        nodes.reset_net(model)
        for frame in image:
            with torch.no_grad():
                fired = model.first(model.conv(frame[None])).flatten(1)
                spikes += int(fired.sum()) + int(model.second(model.fc(fired)).sum())
            acs += int(kept[:, fired[0].numpy() > 0].sum())
            padded = np.pad(frame[0].numpy() != 0, 1)
            macs += 3 * sum(int(padded[y : y + 3, x : x + 3].sum()) for y in range(6) for x in range(6))
    operations = found.SynapticOperations
    assert (operations.Effective_MACs, operations.Effective_ACs) == (macs / SAMPLES, acs / SAMPLES) and acs > 500
    assert operations.Dense == STEPS * (taps + 540) and taps < 3 * 36 * 9
    assert found.ActivationSparsity == pytest.approx(1 - spikes / (SAMPLES * STEPS * 113), rel=1e-12)
    assert found.MembraneUpdates == STEPS * 113


class Paired(Net):
    """As NeuroBench's wrapper of snnTorch takes it."""

    def forward(self, x: Tensor) -> Any:
        return super().forward(x), None


def test_next_to_neurobench_itself() -> None:
    reason = "neurobench is not installed: make interop installs it for itself"
    pytest.importorskip("neurobench.metrics.workload", reason=reason)
    snn = pytest.importorskip("snntorch")
    from neurobench.metrics.static import ConnectionSparsity, Footprint
    from neurobench.metrics.workload import ActivationSparsity, MembraneUpdates, SynapticOperations
    from neurobench.models import SNNTorchModel

    def neuron() -> Any:
        return snn.Leaky(0.9, init_hidden=True)

    theirs, data = SNNTorchModel(Paired(neuron)), (torch.from_numpy(frames()), torch.zeros(SAMPLES))
    theirs.register_hooks()
    with torch.no_grad():
        outputs = theirs(data[0])
    ours = counted(Net(neuron))
    operations, updates = SynapticOperations(), MembraneUpdates()
    assert operations(theirs, outputs, data) == pytest.approx(ours.SynapticOperations.model_dump(), rel=1e-6)
    assert ActivationSparsity()(theirs, outputs, data) == pytest.approx(ours.ActivationSparsity, rel=1e-12)
    assert updates(theirs, outputs, data) == ours.MembraneUpdates
    assert ConnectionSparsity()(theirs) == round(ours.ConnectionSparsity or 0, 4)
    net = theirs.__net__()
    buffers = sum(buffer.numel() * buffer.element_size() for buffer in net.buffers())
    assert Footprint()(theirs) == ours.Footprint + buffers  # what snnTorch's neurons keep
    other = counted(Net(lambda: snn.Leaky(0.5, init_hidden=True)))  # other spikes are other counts
    assert operations.compute()["Effective_ACs"] != pytest.approx(other.SynapticOperations.Effective_ACs, rel=1e-6)
