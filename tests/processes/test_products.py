"""Products with the weights of dense layers: the same by either of PyTorch's libraries, exact in whole numbers."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from processes.backends import products
from processes.backends.devices import PARTS, full_precision
from processes.backends.products import linear, onednn

WIDE = torch.cpu.get_capabilities().get("avx512_f", False)


@pytest.mark.skipif(not WIDE, reason="the processor has no AVX-512")
def test_pytorch_still_has_the_operation() -> None:
    """A version of PyTorch that renames it would be slower by half, without any other sign."""
    assert onednn() is not None


@given(st.integers(1, 300), st.integers(1, 300), st.integers(1, 300), st.integers(0, 100))
def test_sums_of_whole_numbers_are_exact(rows: int, inputs: int, outputs: int, seed: int) -> None:
    """Every sum is below 2^24, so that no order of summation may round."""
    generator = torch.Generator().manual_seed(seed)
    most = 2**24 // (127 * inputs + 1)
    x = torch.randint(-most, most + 1, (rows, inputs), generator=generator)
    weight, bias = (torch.randint(-127, 128, shape, generator=generator) for shape in ((outputs, inputs), (outputs,)))
    with full_precision():
        for way in (linear, onednn() or linear):
            for offset in (bias, None):
                found = way(x.float(), weight.float(), None if offset is None else offset.float())
                assert torch.equal(found, torch.nn.functional.linear(x, weight, offset).float())


@pytest.mark.parametrize("way", ["linear", "onednn"])
def test_strided_values_of_any_axes(way: str) -> None:
    product = linear if way == "linear" else onednn() or linear
    x = torch.randn(2, 3, 70, 5, generator=torch.Generator().manual_seed(0)).transpose(-1, -2)
    weight = torch.randn(70, 40, generator=torch.Generator().manual_seed(1)).T
    torch.testing.assert_close(product(x, weight, None), x @ weight.T)


def test_large_products_take_onednn_and_keep_gradients(monkeypatch: pytest.MonkeyPatch) -> None:
    seen = []
    monkeypatch.setattr(
        products, "onednn", lambda: lambda *args: seen.append(args) or torch.nn.functional.linear(*args)
    )
    x, weight = torch.randn(1024, 64), torch.randn(64, 64)
    linear(x, weight)
    assert len(seen) == 1
    linear(x[:16], weight)  # too small to pay
    linear(x.double(), weight.double())  # oneDNN has no float64
    linear(x.requires_grad_(), weight).sum().backward()
    assert len(seen) == 1 and x.grad is not None


def test_half_precision_never_decides_a_spike() -> None:
    """What an application allows oneDNN to round is withdrawn within the closed form, and given back."""
    convolutions = torch.backends.mkldnn.conv
    before = convolutions.fp32_precision
    torch.set_float32_matmul_precision("medium")
    convolutions.fp32_precision = "bf16"
    allowed = [part.fp32_precision for part in PARTS]
    try:
        assert allowed == ["tf32", "bf16", "bf16"]
        with full_precision():
            assert [part.fp32_precision for part in PARTS] == ["ieee", "ieee", "ieee"]
        assert [part.fp32_precision for part in PARTS] == allowed
        assert torch.get_float32_matmul_precision() == "medium" and torch.backends.cuda.matmul.allow_tf32
    finally:
        convolutions.fp32_precision = before
        torch.set_float32_matmul_precision("highest")
