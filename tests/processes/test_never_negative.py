"""What an operation says is never negative is not, whatever its inputs are."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch

from processes.dynamic_threshold import DynamicThreshold
from processes.elementwise_product import ElementwiseProduct
from processes.lowering import Signs, never_negative
from processes.max_pool import MaxPool
from processes.operation import Operation
from processes.phase_neuron import PhaseNeuron
from processes.residual import Residual
from processes.routing import Route
from processes.si_exp import SiExp
from processes.si_norm import SiNorm
from processes.synapse import DenseSynapse, ScaleSynapse
from processes.trace_product import SquareSum, TraceProduct
from processes.winners import Winners
from processes.woss import Woss

SHAPE = (1, 3, 4)
TRACE, ONE = np.ones(2), np.ones((1, 1, 1))
Made = tuple[Operation, int]


def sometimes(rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    """Numbers of which most are positive."""
    return np.abs(rng.normal(size=shape)) * np.where(rng.random(shape) < 0.15, -1, 1)


def neurons(function: str) -> PhaseNeuron:
    """A population with an activation."""
    return PhaseNeuron.uncoded(SHAPE, function)


def divider(squared: bool) -> DynamicThreshold:
    """A quotient of rows."""
    return DynamicThreshold.uncoded(SHAPE, 0.1 if squared else None)


def dense(rng: np.random.Generator) -> DenseSynapse:
    """Weights and biases that are positive in half of the draws."""
    sign = rng.choice([-1, 1])
    return DenseSynapse(shape=SHAPE, weight=sign * np.abs(rng.normal(size=(4, 4))), bias=np.ones(4), trace=TRACE)


MADE: dict[str, Callable[[np.random.Generator], Made]] = {
    "relu": lambda rng: (neurons("relu"), 1),
    "root": lambda rng: (neurons("sqrt"), 1),
    "step": lambda rng: (neurons("pieces:0,0.5,0,0,1,0"), 1),
    "step from below": lambda rng: (neurons("pieces:0,0.5,-1,0,1,0"), 1),
    "step on a slope": lambda rng: (neurons("pieces:0.5,0.5,0,0,1,0"), 1),
    "gelu": lambda rng: (neurons("gelu"), 1),
    "identity": lambda rng: (neurons("identity"), 1),
    "quotient": lambda rng: (divider(False), 2),
    "product of neurons": lambda rng: (ElementwiseProduct(shape=SHAPE, traces=np.ones((2, 2))), 2),
    "branches": lambda rng: (
        Residual(shape=SHAPE, bias=sometimes(rng, SHAPE), weights=sometimes(rng, (2, *SHAPE))), 2,
    ),
    "product": lambda rng: (
        TraceProduct(shape=(1, 3, 3), traces=np.ones((2, 2)), transpose_b=True, bias=sometimes(rng, (1, 3, 3))), 2,
    ),
    "squares": lambda rng: (SquareSum(shape=(1, 3, 1), trace=TRACE, weight=ONE), 1),
    "scaled": lambda rng: (
        ScaleSynapse(shape=(1, 1, 4), weight=sometimes(rng, SHAPE), bias=sometimes(rng, (1, 1, 4)), trace=TRACE, pool=(1,)), 1,
    ),
    "dense": lambda rng: (dense(rng), 1),
    "route": lambda rng: (Route(shape=(1, 4, 4), steps='[["pad", [0, 0, 1, 0]]]', source_shape=SHAPE), 1),
    "largest": lambda rng: (MaxPool(shape=(1, 2, 3), kernel=(2, 2), stride=(1, 1), scale=ONE), 1),
    "k winners": lambda rng: (Winners(shape=SHAPE, count=2), 1),
    "woss": lambda rng: (Woss.uncoded(SHAPE, np.ones(1)), 1),
    "si_exp": lambda rng: (SiExp.uncoded(SHAPE, np.ones(1), None, clocked=False), 1),
    "si_norm": lambda rng: (SiNorm.uncoded(SHAPE), 1),
}  # fmt: skip


def found(op: Operation, operands: int, rng: np.random.Generator) -> tuple[int, int]:
    """How many values it says are never negative, and how many of them are, for random signs of its operands."""
    known = [torch.from_numpy(rng.random(SHAPE) < rng.choice([0.5, 1.0])) for _ in range(operands)]
    if isinstance(op, DynamicThreshold | SiNorm):  # what divides is positive
        known[-1] = torch.ones(SHAPE, dtype=torch.bool)
    says = never_negative(op, Signs(tuple(map(str, range(operands))), lambda name: known[int(name)]))
    x = [torch.from_numpy(rng.normal(size=(50, *SHAPE))) for _ in range(operands)]
    y = op.ideal(*(torch.where(sure, a.abs(), a) for a, sure in zip(x, known, strict=True)))
    return int(says.sum()), int((y < 0).any(0)[says.expand(y.shape[1:])].sum())


@pytest.mark.parametrize("name", MADE)
def test_what_is_said_never_to_be_negative_is_not(name: str) -> None:
    rng = np.random.default_rng(0)
    said = 0
    for _ in range(30):
        number, negative = found(*MADE[name](rng), rng)
        assert not negative
        said += number
    assert (said > 0) == (name not in ("gelu", "step from below", "step on a slope"))  # something was there to be wrong


def test_a_square_is_never_negative() -> None:
    op = ElementwiseProduct(shape=SHAPE, traces=np.ones((2, 2)))
    nothing = torch.zeros(SHAPE, dtype=torch.bool)
    assert never_negative(op, Signs(("x", "x"), lambda name: nothing)).all()
    assert not never_negative(op, Signs(("x", "y"), lambda name: nothing)).any()


def test_a_wrong_answer_is_found() -> None:
    """The negative control: GELU, which has negative values, asked as if it were ReLU."""
    op, known = neurons("gelu"), torch.zeros(SHAPE, dtype=torch.bool)
    says = never_negative(neurons("relu"), Signs(("x",), lambda name: known))
    y = op.ideal(torch.from_numpy(np.random.default_rng(0).normal(size=(50, *SHAPE))))
    assert (y < 0).any(0)[says].any()
