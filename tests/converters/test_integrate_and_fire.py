"""QCFS, SNM and MST: spikes are those of the published rules written down in PyTorch, and steps agree with the closed form."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import timm
import torch
import torch.nn.functional as F
from safetensors.torch import load_file
from torch import nn

from converters.integrate_and_fire import Method, integrate_and_fire
from deploy.demo import calibration_data, evaluation_data
from evaluator.closed_form import ClosedForm
from evaluator.compare import compare
from evaluator.timeline import timeline
from processes import verifier
from processes.errors import DeployError
from processes.network import CalibratedNetwork, DynamicThreshold, IfNeuron, Network, Woss
from processes.spikes import trains
from tests.converters.modules import error, lowered, module
from tests.stepped import step_samples
from tests.tolerances import BASELINE, FLOAT32, PIXELS_CODED

EXAMPLES = Path(__file__).parents[2] / "examples"
POPULATIONS = 3  # of the trained network: its input's and two hidden layers'


def trained() -> nn.Sequential:
    """The two hidden layers of 32 ReLU that examples/train_fashion.py trained on Fashion-MNIST."""
    model = nn.Sequential(nn.Flatten(), nn.Linear(784, 32), nn.ReLU(), nn.Linear(32, 32), nn.ReLU(), nn.Linear(32, 10))
    model.load_state_dict(load_file(EXAMPLES / "mlp.safetensors"))
    model.eval()
    return model


def converted(method: Method, steps: int) -> CalibratedNetwork:
    x = torch.from_numpy(calibration_data()[0][:64])
    return integrate_and_fire(lowered(trained(), x), x.numpy(), method, steps)[0]


def neurons(network: Network) -> dict[str, IfNeuron]:
    return {name: node.op for name, node in network if isinstance(node.op, IfNeuron)}


def published(
    model: nn.Sequential,
    x: torch.Tensor,
    lambdas: list[torch.Tensor],
    steps: int,
    initial: float,
    memory: bool,
    coded: bool,
) -> tuple[torch.Tensor, list[torch.Tensor]]:
    """The rule as it stands in the papers: thresholds lambda, all layers at every step, outputs' mean over T steps.

    ``coded``: pixels come as spikes of neurons of their own, as here, not as currents, as there. Returns logits, and the
    spikes (T, N, neurons) of each population.
    """
    layers = [layer.double() for layer in model if isinstance(layer, nn.Linear)]
    x = x.double().flatten(1)
    potentials = [torch.zeros(1, dtype=torch.float64) + initial * theta for theta in lambdas]
    potentials[0] = torch.zeros(1, dtype=torch.float64) + 0.5 * lambdas[0]
    sent = [torch.zeros(1, dtype=torch.float64)] * len(lambdas)
    trains: list[list[torch.Tensor]] = [[] for _ in lambdas]
    total = torch.zeros(1, dtype=torch.float64)
    for _ in range(steps):
        current = x
        for i, theta in enumerate(lambdas):
            v = potentials[i] + (current if i == 0 else layers[i - 1](current))
            spike = (v >= theta).double()
            if memory and i > 0:
                spike = spike - ((v <= -theta) & (sent[i] > 0)).double()
            potentials[i], sent[i] = v - spike * theta, sent[i] + spike
            trains[i].append(spike)
            current = x if i == 0 and not coded else spike * theta
        total = total + layers[-1](current)
    return total / steps, [torch.stack(train) for train in trains]


def lambdas_of(network: Network, steps: int) -> list[torch.Tensor]:
    return [torch.from_numpy(op.scale * steps).reshape(1, -1) for op in neurons(network).values()]


@torch.no_grad()
@pytest.mark.parametrize("method, initial, memory", [("qcfs", 0.5, False), ("snm", 0.0, True)])
def test_accuracy_against_steps_is_that_of_the_published_rule(method: Method, initial: float, memory: bool) -> None:
    x, labels = (array[:200] for array in evaluation_data())
    original = float((trained()(torch.from_numpy(x)).argmax(1).numpy() == labels).mean())
    found: dict[int, float] = {}
    for steps in (4, 16, 32):
        network = converted(method, steps)
        ours = ClosedForm(network).run(x).reshape(len(x), -1).argmax(1).numpy()
        found[steps] = float((ours == labels).mean())
        coded, currents = (
            published(trained(), torch.from_numpy(x), lambdas_of(network, steps), steps, initial, memory, how)[0]
            for how in (True, False)
        )
        theirs = float((coded.argmax(1).numpy() == labels).mean())
        assert abs(found[steps] - theirs) <= BASELINE, (steps, found[steps], theirs)
        assert (currents.argmax(1).numpy() == ours).mean() >= PIXELS_CODED[steps]
    assert abs(found[32] - original) <= 4 * BASELINE and found[4] < found[32]


@torch.no_grad()
@pytest.mark.parametrize("method, initial, memory", [("qcfs", 0.5, False), ("snm", 0.0, True)])
def test_every_spike_is_that_of_the_published_rule(method: Method, initial: float, memory: bool) -> None:
    steps, x = 16, evaluation_data()[0][:40]
    network = converted(method, steps)
    codes: dict[str, torch.Tensor] = {}
    outputs = ClosedForm(network, torch.float64).run(
        x, lambda name, op, result: codes.__setitem__(name, result.values) if isinstance(op, IfNeuron) else None
    )
    found = [trains(values, steps).sign().reshape(steps, len(x), -1) for values in codes.values()]
    lambdas = lambdas_of(network, steps)

    def differing(first: float, remembers: bool) -> list[int]:
        logits, wanted = published(trained(), torch.from_numpy(x), lambdas, steps, first, remembers, True)
        close = torch.allclose(logits, outputs.reshape(len(x), -1), rtol=0, atol=FLOAT32)
        assert close == all(torch.equal(a, b) for a, b in zip(found, wanted, strict=True))
        return [int((a != b).sum()) for a, b in zip(found, wanted, strict=True)]

    assert len(found) == POPULATIONS and all(train.any() for train in found)
    assert differing(initial, memory) == [0] * POPULATIONS
    assert any((train < 0).any() for train in found) == memory  # some were sent too early
    assert differing(0.5 - initial, memory)[1] > 100  # another potential at first
    assert memory == (differing(initial, False)[1] > 0)  # no memory


def test_the_whole_chain_takes_one_window() -> None:
    network = converted("qcfs", 16)
    assert timeline(network).period == 16 + 1  # and the readout's message
    assert [op.streams for op in neurons(network).values()] == [False, True, True]


@pytest.fixture(scope="module")
def net() -> nn.Module:
    """Convolution, ReLU, a residual branch, pooling, a linear head."""
    return module(
        lambda m, x: m.head((F.relu(m.a(x)) + F.relu(m.b(F.relu(m.a(x))))).mean((2, 3))),
        a=nn.Conv2d(1, 6, 3, padding=1),
        b=nn.Conv2d(6, 6, 3, padding=1),
        head=nn.Linear(6, 4),
    )


def relu_vit() -> nn.Module:
    """One block, 12 x 12 pixels, ReLU."""
    torch.manual_seed(0)
    vit = timm.models.VisionTransformer(
        img_size=12, patch_size=4, in_chans=1, embed_dim=16, depth=1, num_heads=2, num_classes=5, act_layer=nn.ReLU
    ).eval()
    with torch.no_grad():
        for parameter in vit.parameters():
            parameter.add_(0.1 * torch.randn_like(parameter))
    return vit


@pytest.mark.parametrize("method", ["qcfs", "snm", "mst"])
def test_steps_agree_with_the_closed_form_and_survive_nir(net: nn.Module, method: Method) -> None:
    for model, size in ((net, 6), (relu_vit(), 12)):
        x = torch.rand(8, 1, size, size, generator=torch.Generator().manual_seed(1))
        masked = 0.25 if method == "mst" else 0.0
        network = integrate_and_fire(lowered(model, x), x.numpy(), method, 8, masked=masked)[0]
        restored = Network.from_nir(network.to_nir())
        verifier.check(restored)
        run = step_samples(restored, x.numpy()[:2])
        found = compare(restored, x.numpy()[:2], run)
        assert (found.mismatches, found.ties, found.first) == (0, 0, None) and found.compared_spikes > 1000
        name = next(name for name, op in neurons(restored).items() if op.streams or size == 12)
        assert run.values[name].any()
        run.values[name][0, 0].reshape(-1)[0] ^= 1
        assert compare(restored, x.numpy()[:2], run).mismatches > 0


@pytest.mark.parametrize("method", ["qcfs", "snm"])
@pytest.mark.exhaustive
def test_error_falls_with_the_number_of_steps(net: nn.Module, method: Method) -> None:
    x, held_out = (torch.from_numpy(np.random.default_rng(seed).random((16, 1, 6, 6), np.float32)) for seed in (0, 1))
    with torch.no_grad():
        expected = net(held_out).double()
    coarse, fine = (
        error(integrate_and_fire(lowered(net, x), x.numpy(), method, t)[0], held_out, expected) for t in (8, 128)
    )
    assert fine < coarse / 3


def test_softmax_and_norms_of_a_transformer_stay_as_they_are() -> None:
    x = torch.rand(8, 1, 12, 12, generator=torch.Generator().manual_seed(1))
    network = integrate_and_fire(lowered(relu_vit(), x), x.numpy(), "mst", 8, masked=0.25)[0]
    kinds = [type(node.op) for _, node in network]
    assert kinds.count(IfNeuron) == 3 and kinds.count(Woss) == 1 and kinds.count(DynamicThreshold) == 4


def test_masks_keep_spikes_from_being_sent_and_the_rest_is_worth_more(net: nn.Module) -> None:
    x = torch.rand(16, 1, 6, 6, generator=torch.Generator().manual_seed(1))
    whole, part = (integrate_and_fire(lowered(net, x), x.numpy(), "mst", 64, masked=masked)[0] for masked in (0.0, 0.5))
    name = "a.relu"
    full, half = neurons(whole)[name], neurons(part)[name]
    assert half.sent is not None and abs(half.sent.mean() - 0.5) < 0.02 and full.sent is None
    v = torch.linspace(0, 2, 200).reshape(-1, 1, 1, 1, 1).expand(200, *full.shape)
    sent = (half.closed_form(v).values != 0).sum().item() / (full.closed_form(v).values != 0).sum().item()
    assert abs(sent - 0.5) < 0.02
    assert (
        abs(
            float(half.decoded(half.closed_form(v).values).mean() / full.decoded(full.closed_form(v).values).mean()) - 1
        )
        < 0.05
    )
    assert replace(half, seed=half.seed + 1).sent is not half.sent


def test_what_has_no_form_is_named_all_at_once() -> None:
    model = module(
        lambda m, x: m.c(F.gelu(m.b(F.max_pool2d(F.relu(m.a(x)), 2))).flatten(1)),
        a=nn.Conv2d(1, 2, 3, padding=1), b=nn.Conv2d(2, 2, 1), c=nn.Linear(18, 2),
    )  # fmt: skip
    x = torch.rand(4, 1, 6, 6)
    with pytest.raises(DeployError, match=r"--method snm converts ReLU.*is a max_pool; '.*gelu' computes gelu; use"):
        integrate_and_fire(lowered(model, x), x.numpy(), "snm", 8)


def test_files_whose_neurons_cannot_stream_are_refused() -> None:
    network = converted("qcfs", 8)
    name, op = next(iter(neurons(network).items()))
    network.put(name, replace(op, streams=True))
    with pytest.raises(DeployError, match="streams, and hears no synapse"):
        verifier.check(network)
