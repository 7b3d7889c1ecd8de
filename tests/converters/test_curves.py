"""Functions of one value are recognised by what they compute, and only then."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import nn

from converters.lowering.builder import Unsupported, Value
from converters.lowering.curves import Curve
from tests.converters.modules import error, lowered, module, one_by_one
from tests.tolerances import FLOAT32

V = Value("potential", (1, 4))
Function = Callable[[torch.Tensor], torch.Tensor]


@pytest.mark.parametrize(
    ("function", "name", "gain", "offset"),
    [
        (lambda v: 3 * v * torch.sigmoid(v) - 2, "silu", 3.0, -2.0),
        (lambda v: -v.clamp(0), "relu", -1.0, None),
        (lambda v: 2 * v + 1, "identity", 2.0, 1.0),
        (lambda v: 1e-5 * torch.tanh(v), "tanh", 1e-5, None),
    ],
)
def test_known_functions(function: Function, name: str, gain: float, offset: float | None) -> None:
    found = Curve(V, function).value()
    assert found.activation == name
    assert found.gain is not None and abs(float(found.gain) - gain) < 1e-9 * max(1.0, abs(gain))
    assert (found.offset is None) == (offset is None)
    assert offset is None or (found.offset is not None and abs(float(found.offset) - offset) < 1e-9)


@pytest.mark.parametrize(
    "function",
    [
        lambda v: (2 * v).clamp(0, 100),  # a ReLU up to 50
        lambda v: torch.where(v > 500, 500 + 0 * v, v),  # the identity up to 500
        lambda v: v * torch.sigmoid(1.7 * v),  # quick GELU but for a constant
        lambda v: 1e-5 * torch.tanh(1.001 * v),
        lambda v: v * v,
    ],
)
def test_functions_that_are_nearly_known(function: Function) -> None:
    with pytest.raises(Unsupported, match="no threshold schedule"):
        Curve(V, function).value()
    assert Curve(V, function, lambda: V).value() is V, "what it is otherwise"


def test_a_clamp_far_from_zero_is_kept() -> None:
    model = module(lambda m, x: m.b((2 * m.a(x)).clamp(0, 100)), a=nn.Linear(8, 8), b=nn.Linear(8, 3))
    model.a.weight.data *= 200  # type: ignore[union-attr]
    x = torch.randn(6, 5, 8, generator=torch.Generator().manual_seed(0))
    assert float(model.a(x).detach().max()) > 50  # type: ignore[operator]
    assert error(lowered(model, x), x, one_by_one(model, x), ideal=True) < FLOAT32
