"""Functions of one value are recognised by what they compute, and only then."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from converters.lowering.builder import Unsupported, Value
from converters.lowering.curves import Curve
from converters.lowering.pieces import straight_pieces
from processes.phase_neuron.activations import activation
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
        lambda v: torch.where(v > 500, v.sqrt(), v),  # the identity up to 500
        lambda v: v * torch.sigmoid(1.7 * v),  # quick GELU but for a constant
        lambda v: 1e-5 * torch.tanh(1.001 * v),
        lambda v: v * v,
        lambda v: v.exp() * torch.sigmoid(1.7 * v.exp()),  # an exponential, beside the largest value
    ],
)
def test_functions_that_are_nearly_known(function: Function) -> None:
    with pytest.raises(Unsupported, match="no threshold schedule"):
        Curve(V, function).value()
    assert Curve(V, function, lambda: V).value() is V, "what it is otherwise"


@pytest.mark.parametrize(
    ("function", "name", "gain", "offset"),
    [
        (lambda v: torch.where(v > 0, 3 * v, 0.3 * v), "leaky_relu:0.1", 3.0, None),
        (lambda v: v > 0, "pieces:0.0,0.0,0.0,0.0,1.0,0.0", None, None),
        (lambda v: v >= 0, "pieces:0.0,0.0,0.0,1.0,1.0,0.0", None, None),
        (lambda v: 2 - (v > 0.3).double(), "pieces:0.0,0.3,0.0,0.0,1.0,0.0", -1.0, 2.0),
        (torch.sign, "pieces:0.0,0.0,-1.0,0.0,1.0,0.0", None, None),
        (lambda v: (2 * v).clamp(0, 100), "pieces:0.0,0.0,0.0,0.0,0.0,50.0,100.0,100.0,100.0,0.0", None, None),
        (
            lambda v: torch.nn.functional.hardshrink(v, 0.5),
            "pieces:1.0,-0.5,-0.5,0.0,0.0,0.5,0.0,0.0,0.5,1.0", None, None,
        ),
    ],
)  # fmt: skip
def test_functions_of_straight_pieces(function: Function, name: str, gain: float | None, offset: float | None) -> None:
    found = Curve(V, function).value()
    numbers = [None if number is None else float(number) for number in (found.gain, found.offset)]
    assert (found.activation, *numbers) == (name, gain, offset)


@pytest.mark.parametrize(
    "function",
    [
        torch.abs,  # falls and rises
        lambda v: v == 0,
        lambda v: (v > 0.001).double() + (v > 0.002).double(),  # two knots where one is looked for
        torch.floor,
        lambda v: v + 1e-3 * torch.sin(v),
        lambda v: 2 * v,  # without a knot
        torch.log,
    ],
)
def test_functions_that_are_no_such_pieces(function: Function) -> None:
    assert straight_pieces(function) is None


@given(
    st.lists(st.tuples(st.integers(-900, 900), st.floats(0, 3), st.floats(0, 2)), min_size=1, max_size=6),
    st.floats(0.1, 2),
)
def test_pieces_are_the_function(knots: list[tuple[int, float, float]], left: float) -> None:
    """Bends and jumps a tenth apart or more, at places that floating point does not hold exactly."""
    places = {at // 10: (at / 100, bend, jump) for at, bend, jump in knots}

    def function(v: torch.Tensor) -> torch.Tensor:
        y = left * v
        for at, bend, jump in places.values():
            y = y + torch.where(v > at, (bend - left / 8) * (v - at).clamp(max=1 + bend) + jump, 0.0)
        return y

    found = straight_pieces(function)
    if found is not None:
        v = torch.linspace(-20, 20, 4001, dtype=torch.float64)
        own = found.gain * activation(found.activation).torch(v) + found.offset
        assert torch.allclose(own, function(v), rtol=1e-6, atol=1e-9)


def test_a_clamp_far_from_zero_is_kept() -> None:
    model = module(lambda m, x: m.b((2 * m.a(x)).clamp(0, 100)), a=nn.Linear(8, 8), b=nn.Linear(8, 3))
    model.a.weight.data *= 200  # type: ignore[union-attr]
    x = torch.randn(6, 5, 8, generator=torch.Generator().manual_seed(0))
    assert float(model.a(x).detach().max()) > 50  # type: ignore[operator]
    assert error(lowered(model, x), x, one_by_one(model, x), ideal=True) < FLOAT32
