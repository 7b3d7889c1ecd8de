"""Calibration: scales come from the samples given and from nothing else, and folding them changes no
meaning.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn

from converters.calibrate import calibrate
from converters.scales import observe_peaks, scale_of
from evaluator.closed_form import ClosedForm
from processes.header import Header
from processes.network import DynamicThreshold, Network, PhaseNeuron, SquareSum, TraceProduct
from processes.phase_code import PhaseCode
from tests.converters.modules import error, images, lowered, module, one_by_one, small_vit, spiking
from tests.tolerances import CONVERGED, ROUNDING

CODE = PhaseCode(1.15, 40)


@pytest.fixture(scope="module")
def vit() -> nn.Module:
    return small_vit()


def arrays(network: Network) -> dict[str, np.ndarray]:
    """Every array of every operation."""
    found = {}
    for name, node in network:
        for field, value in vars(node.op).items():
            if field == "schedule":
                found |= {f"{name}.{f}": v for f, v in vars(value).items() if isinstance(v, np.ndarray)}
            elif isinstance(value, np.ndarray):
                found[f"{name}.{field}"] = value
    return found


def test_a_finer_code_comes_nearer(vit: nn.Module) -> None:
    """All scales are folded rightly: what is left is the code's own error, which vanishes as B goes to 1."""
    x = torch.from_numpy(images(24))
    expected = one_by_one(vit, x)
    errors = [
        error(spiking(vit, x, PhaseCode(*code)), x, expected)
        for code in [(1.4, 16), (1.15, 40), (1.05, 120), (1.01, 400)]
    ]
    assert errors == sorted(errors, reverse=True)
    assert errors[-1] < CONVERGED / 2 < errors[0]


def test_only_the_samples_given_are_seen(vit: nn.Module) -> None:
    """A pure function of its samples: neither their order, nor how they are batched, nor anything run
    before.
    """
    x = torch.from_numpy(images(20))
    first = arrays(spiking(vit, x, CODE))
    network = lowered(vit, x)
    other = torch.from_numpy(images(4, seed=9) * 50)
    ClosedForm(network, ideal=True).run(other)
    calls: list[tuple[int, int]] = []
    network = calibrate(network, x.numpy()[::-1].copy(), CODE, batch=7, progress=lambda *n: calls.append(n))
    again = arrays(network)
    assert first.keys() == again.keys()
    for name in first:
        assert np.allclose(first[name], again[name], rtol=1e-5), name  # float32 batches of another size
    assert calls == sorted(calls) and {(0, 20), (7, 20), (14, 20), (20, 20)} <= set(calls)
    ClosedForm(network).run(other)
    after = arrays(network)
    for name, value in again.items():  # a run may add caches, and changes nothing
        assert (value == after[name]).all(), f"running the network changed {name}"


def test_scales_are_the_largest_magnitudes(vit: nn.Module) -> None:
    x = torch.from_numpy(images(16))
    network = lowered(vit, x)
    peaks = observe_peaks(network, x.numpy(), 5)
    seen: dict[str, torch.Tensor] = {}
    ClosedForm(lowered(vit, x), ideal=True).run(x, lambda n, op, result: seen.__setitem__(n, result.values.clone()))
    firing = [name for name, node in network if isinstance(node.op, (PhaseNeuron, DynamicThreshold))]
    for name in firing:
        peak = peaks[name]
        axes = tuple(a for a, n in enumerate((1, *peak.shape)) if n == 1)
        assert np.allclose(peak, seen[name].abs().amax(axes, keepdim=True)[0].numpy(), rtol=1e-5), name
        if len(peak.shape) == 3:
            assert peak.shape[1] == 1, "a scale per token cannot be folded into shared weights"


def test_queries_and_keys_are_equalised(vit: nn.Module) -> None:
    """s_q s_k is the same for every feature of a head, and no scale fell."""
    x = torch.from_numpy(images(16))
    network = lowered(vit, x)
    peaks = observe_peaks(network, x.numpy(), 16)
    network = calibrate(network, x.numpy(), CODE)
    products = [node for _, node in network if isinstance(node.op, TraceProduct) and node.op.transpose_b]
    assert len(products) == 1
    a, b = (scale_of(network, name) for name in products[0].inputs)
    assert a.shape == b.shape == (1, 2, 1, 8)
    ratio = (a * b) / (a * b)[..., :1]
    assert np.allclose(ratio, 1, rtol=ROUNDING)
    for name, node in network:
        if not isinstance(node.op, (PhaseNeuron, DynamicThreshold)):
            continue
        peak = peaks[name]
        assert (scale_of(network, name) >= peak * (1 - ROUNDING)).all(), f"{name} saturates on its calibration set"


@pytest.mark.parametrize("products", [1, 2])
def test_scales_that_two_products_read_are_equal_along_a_head(products: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """With keys of other sizes in each, no scales that vary along the head fit both but far too large ones."""

    def forward(m: Any, x: torch.Tensor) -> torch.Tensor:
        q = m.q(x)
        weights = q @ m.k(x).mT
        return m.b(weights if products == 1 else torch.cat([weights, q @ (m.z(x) * torch.logspace(-2, 0, 8)).mT], -1))

    model = module(forward, q=nn.Linear(8, 8), k=nn.Linear(8, 8), z=nn.Linear(8, 8), b=nn.Linear(5 * products, 3))
    model.k.weight.data *= torch.logspace(0, -2, 8)[:, None]  # type: ignore[union-attr]
    x = torch.randn(16, 5, 8, generator=torch.Generator().manual_seed(0))

    def queries() -> np.ndarray:
        network = spiking(model, x, CODE)
        (name,) = (name for name, node in network if node.inputs == ("q",) and isinstance(node.op, PhaseNeuron))
        return scale_of(network, name)

    equal = queries()
    assert (np.ptp(equal) == 0) == (products == 2)
    if products == 2:
        monkeypatch.setattr("converters.scales._contested", lambda network: set())
        assert queries().max() > 3 * equal.max()


def test_few_values_of_a_feature_have_a_margin() -> None:
    """Only where rows and columns are features; other scales are the largest observed values."""
    model = module(
        lambda m, x: m.b((m.q(x).mT @ m.k(x)).flatten(1)), q=nn.Linear(8, 8), k=nn.Linear(8, 8), b=nn.Linear(64, 3)
    )
    x = torch.randn(16, 5, 8, generator=torch.Generator().manual_seed(0))
    network = lowered(model, x)
    peaks = observe_peaks(network, x.numpy(), 16)
    network = calibrate(network, x.numpy(), CODE)
    (rows,) = (name for name, node in network if node.op.shape == (1, 8, 8) and isinstance(node.op, PhaseNeuron))
    assert np.allclose(scale_of(network, rows), 2 * peaks[rows])  # (256 / 16)^(1/4)
    assert np.allclose(scale_of(network, "input.neuron"), peaks["input.neuron"])


def test_scales_of_squares_and_curved_schedules_are_powers_of_two(vit: nn.Module) -> None:
    network = spiking(vit, torch.from_numpy(images(8)), CODE)
    checked = 0
    for name, node in network:
        squares = isinstance(node.op, SquareSum)
        if squares or (isinstance(node.op, PhaseNeuron) and node.op.schedule.function == "gelu"):
            scale = scale_of(network, node.inputs[0] if squares else name)
            assert (np.log2(scale) == np.rint(np.log2(scale))).all()
            checked += 1
    assert checked == 4  # three norms and one GELU


def test_silent_channels_and_a_constant_set_do_no_harm() -> None:
    """A channel that never moves keeps a scale of 1, and nothing becomes infinite."""
    model = module(lambda m, x: m.b(F.gelu(m.a(F.layer_norm(x, (8,))))), a=nn.Linear(8, 8), b=nn.Linear(8, 3))
    with torch.no_grad():
        model.a.weight[2] = 0.0  # type: ignore[union-attr,operator,index]
        model.a.bias[2] = 0.0  # type: ignore[union-attr,operator,index]
    x = torch.zeros(4, 5, 8)
    network = spiking(model, x, CODE)
    assert all(np.isfinite(v).all() for name, v in arrays(network).items() if not name.endswith("tables"))
    y = ClosedForm(network).run(x)
    assert torch.isfinite(y).all()
    assert torch.allclose(y.reshape(4, 5, 3), one_by_one(model, x), atol=0.3)


def test_the_code_is_kept_with_the_network(vit: nn.Module) -> None:
    network = spiking(vit, torch.from_numpy(images(4)), PhaseCode(1.3, 20))
    assert network.header == Header(base=1.3, timesteps=20, spikes=1, precision="float")
    codes: set[Any] = {(node.op.code.base, node.op.code.steps) for _, node in network if hasattr(node.op, "code")}
    codes |= {(n.op.schedule.base, n.op.schedule.steps) for _, n in network if isinstance(n.op, PhaseNeuron)}
    assert codes == {(1.3, 20)}
