"""docs/nir_operations.md says enough: a reader written from it alone gets every spike and potential of our files."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import nir
import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn

from converters.pipeline import Variant, convert_module
from evaluator.closed_form import ClosedForm
from processes.network import Network
from processes.operation import Result
from tests.converters.modules import end_early, gated, images, module, small_vit
from tests.targets.nir_by_the_page import run
from tests.targets.test_placement import massive_feature, maxima, mixtures, uneven_attention, uneven_gates


def nodes(codes: torch.Tensor, steps: int) -> np.ndarray:
    """Codes (planes, N, *shape) as spikes (T, N, *shape)."""
    held = codes.numpy()
    return np.stack([((held == k + 1).astype(int) - (held == -k - 1)).sum(0) for k in range(steps)])


def compare(network: Network, x: np.ndarray, path: Path) -> set[str]:
    """Every node; the names of the operations compared."""
    nir.write(path, network.to_nir())
    got = run(nir.read(path, type_check=False), x)
    names = {name.split(".", 1)[1]: name for name in got if "." in name}
    compared: set[str] = set()

    def observe(name: str, op: Any, result: Result) -> None:
        y = result.values
        theirs = got[names[name]]
        ours = nodes(y, len(theirs)) if op.fires else y.numpy()
        np.testing.assert_array_equal(theirs, ours, err_msg=name)
        assert ours.any() or op.name == "route", name
        compared.add(op.name)

    ClosedForm(network).run(x, observe)
    return compared


@pytest.mark.parametrize("spikes, early", [(1, False), pytest.param(2, False, marks=pytest.mark.exhaustive), (2, True)])
def test_a_transformer(spikes: int, early: bool, tmp_path: Path) -> None:
    x = images(9)
    converted = convert_module(small_vit(), [x[:8]], 16, 1.3, spikes=spikes, input_spikes=2, fixed=True)
    assert converted.fixed is not None
    network = end_early(converted.fixed) if early else converted.fixed
    compared = compare(network, x[8:], tmp_path / "vit.nir")
    assert compared >= {"dense", "conv2d", "phase_neuron", "trace_product", "square_sum", "woss", "dynamic_threshold",
                        "residual", "centre", "route", "readout"}  # fmt: skip


def test_masks_pools_and_groups(tmp_path: Path) -> None:
    mask = torch.randn(6, 6).masked_fill(torch.ones(6, 6, dtype=torch.bool).triu(2), -torch.inf)

    def forward(m: Any, x: torch.Tensor) -> torch.Tensor:
        tokens = m.a(F.relu(m.c(x)).flatten(2).transpose(1, 2))
        return m.o(F.scaled_dot_product_attention(tokens, tokens, tokens, attn_mask=m.mask).mean(1))

    model = module(
        forward,
        c=nn.Conv2d(2, 4, (3, 2), stride=2, dilation=(2, 1), groups=2, padding=(1, 0)), a=nn.Linear(4, 4), o=nn.Linear(4, 3),
        mask=mask,
    )  # fmt: skip
    x = np.random.default_rng(0).normal(size=(9, 2, 7, 4)).astype(np.float32)
    converted = convert_module(model, [x[:8]], 16, 1.3, fixed=True)
    assert converted.fixed is not None
    compared = compare(converted.fixed, x[8:], tmp_path / "masked.nir")
    assert compared >= {"scale", "conv2d", "woss"}


def test_gates(tmp_path: Path) -> None:
    x = images(9)
    converted = convert_module(gated(), [x[:8]], 16, 1.3, spikes=2, fixed=True)
    assert converted.fixed is not None
    assert "elementwise_product" in compare(converted.fixed, x[8:], tmp_path / "gated.nir")


def test_maxima(tmp_path: Path) -> None:
    assert "max_pool" in compare(maxima(), images(3), tmp_path / "maxima.nir")


def test_mixtures(tmp_path: Path) -> None:
    x = np.random.default_rng(1).normal(size=(3, 3, 4)).astype(np.float32)
    assert "winners" in compare(mixtures(), x, tmp_path / "mixtures.nir")


@pytest.mark.parametrize("make", [uneven_attention, uneven_gates, massive_feature])
def test_windows_of_unequal_length_and_sums_of_two_words(make: Callable[[], Network], tmp_path: Path) -> None:
    network = make()
    x = np.random.default_rng(1).random((2, *network.input_shape[1:]), np.float32)
    assert {"trace_product", "elementwise_product", "square_sum"} & compare(network, x, tmp_path / "uneven.nir")


def test_the_other_method(tmp_path: Path) -> None:
    x = images(9)
    converted = convert_module(small_vit(), [x[:8]], 12, variant=Variant(method="sit", activation="fitted"), fixed=True)
    assert converted.fixed is not None
    compared = compare(converted.fixed, x[8:], tmp_path / "sit.nir")
    assert compared >= {"si_exp", "si_norm", "si_neuron"}
