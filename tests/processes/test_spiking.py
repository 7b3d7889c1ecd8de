"""Neurons and operations of trained spiking networks in integers, next to Python's own integers one value at a time."""

from __future__ import annotations

import itertools
from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest

from processes.spiking import Layout, MaxPool, Product, Reduce, SumPool, Weighted
from processes.spiking.neuron import FixedNeuron, FloatNeuron, Integers, Reset, Rule, Update
from processes.spiking.steppers import Added, FixedScaled, Moved, Multiplied, Pooled, weighted_map

LIMIT = 2**23 - 1


def cut(x: int, bits: int) -> int:
    """x / 2^bits toward zero."""
    return int(Fraction(x, 2**bits))


def by_hand(
    rows: list[list[int]], gain: list[int], bias: list[int], theta: int, inclusive: bool, reset: Reset, v_reset: int,
    after: tuple[list[list[int]], list[int], list[int]] | None, inputs: list[int], left: int,
) -> tuple[list[int], list[int]]:  # fmt: skip
    """Spikes and potentials of one neuron."""
    s, spikes, potentials = [0] * len(gain), [], []
    for x in inputs:
        x = x << left if left >= 0 else cut(x, -left)
        before = s[0] >= theta if inclusive else s[0] > theta
        r = after is not None and before
        k, g, b = after if r and after is not None else (rows, gain, bias)
        s = [
            sum(cut(v * c, 12) for v, c in zip(s, row, strict=True)) + cut(x * m, 12) + n
            for row, m, n in zip(k, g, b, strict=True)
        ]
        s = [max(-LIMIT, min(LIMIT, v)) for v in s]
        fired = s[0] >= theta if inclusive else s[0] > theta
        if reset == "subtract":
            s[0] -= theta * (fired - r)
        elif reset == "set" and fired:
            s[0] = v_reset
        s[0] = max(-LIMIT, min(LIMIT, s[0]))
        spikes.append(int(fired))
        potentials.append(s[0])
    return spikes, potentials


def whole(rows: object) -> Update:
    """An Update of integers."""
    keep, gain, bias = rows  # type: ignore[misc]
    return Update(
        tuple(tuple(np.asarray(v, np.int64) for v in row) for row in keep),
        *(tuple(np.asarray(v, np.int64) for v in vector) for vector in (gain, bias)),
    )


CASES = list(itertools.product(("none", "subtract", "set"), (False, True), (False, True), (3, -2)))


@pytest.mark.parametrize(("reset", "inclusive", "delayed", "left"), CASES)
def test_integer_neurons_are_their_equations(reset: Reset, inclusive: bool, delayed: bool, left: int) -> None:
    rng = np.random.default_rng(len(reset) + 10 * inclusive + 100 * delayed + left)
    theta, scale = 64 * 700, 2.0**-left
    rows = ([[3600, 1200], [0, 2900]], [4096, 2048], [-5, 17])
    after = ([[3600, 1200], [0, 2900]], [4096, 0], [-theta, 17]) if delayed else None
    inputs = (rng.integers(-9000, 20000, (1, 40)) * scale).astype(np.int64)
    inputs[0, 5] = int(9e6 * scale)  # saturates
    zero = Update.of([[0, 0], [0, 0]], [0, 0], [0, 0])
    rule = Rule(zero, np.asarray(0.0), inclusive, reset, after=zero if delayed else None)
    integers = Integers(
        whole(rows), whole(after) if after else None, np.asarray(theta), np.asarray(-321),
        (np.zeros((), np.int64),) * 2, left,
    )  # fmt: skip
    neuron = FixedNeuron(rule, integers, (1,))
    found = [(int(neuron.step(inputs[:, t : t + 1])[0, 0]), int(neuron.v[0, 0])) for t in range(40)]
    values = [int(x) for x in inputs[0]]
    spikes, potentials = by_hand(*rows, theta, inclusive, reset, -321, after, values, left)
    assert found == list(zip(spikes, potentials, strict=True))
    assert 0 < sum(spikes) < 40 and neuron.overflows > 0
    rows[0][0][1] += 1
    assert by_hand(*rows, theta, inclusive, reset, -321, after, values, left)[1] != potentials


def test_a_potential_that_equals_the_threshold() -> None:
    """SpikingJelly fires, snnTorch and Norse do not."""
    rule = Rule(Update.of([[0.5]], [0.5], [0]), np.asarray(0.5), True, "set")
    for inclusive in (True, False):
        neuron = FloatNeuron(replace(rule, inclusive=inclusive), (1,))
        assert neuron.step(np.ones((1, 1)))[0, 0] == inclusive


def test_operations_on_integers() -> None:
    rng = np.random.default_rng(0)
    a, b = (rng.integers(0, 2, (2, 3, 4, 5)) for _ in range(2))
    product = Multiplied(Product(matrices=True), fixed=True).step(a, b.swapaxes(-1, -2))
    assert product is not None
    assert product.dtype == np.int64 and (product == np.einsum("shij,shkj->shik", a, b)).all()
    assert (Multiplied(Product(matrices=False), fixed=True).step(a, b) == (a & b)).all()
    assert Multiplied(Product(matrices=True), fixed=True).step(a, None) is None
    window = [a[..., i : i + 2, j : j + 2].max((-2, -1)) for i in (0, 2) for j in (0, 2)]
    pooled = Pooled(MaxPool((2, 2), (2, 2), (0, 0)), (3, 2, 2)).step(a)
    assert pooled is not None and (pooled.reshape(2, 3, 4) == np.stack(window, -1)).all()
    summed = Pooled(SumPool((3, 3), (1, 1), (1, 1)), (3, 4, 5)).step(a)
    assert (
        summed is not None
        and summed[0, 0, 0, 0] == a[0, 0, :2, :2].sum()
        and summed[1, 2, 2, 2] == a[1, 2, 1:4, 1:4].sum()
    )
    large = Pooled(Reduce((1,)), (3, 1, 5))
    assert (large.step(a * LIMIT) == np.minimum(a.sum(2, keepdims=True) * LIMIT, LIMIT)).all() and large.overflows > 0
    moved = Moved(Layout(np.array([[0, -1], [59, 60]])), ((3, 4, 5), (3, 4, 5))).step(a, b)
    assert moved is not None
    assert (
        moved == np.stack([a[:, 0, 0, 0], 0 * a[:, 0, 0, 0], a[:, 2, 3, 4], b[:, 0, 0, 0]], 1).reshape(2, 2, 2)
    ).all()
    assert (Added((2, 0), fixed=True).step(a, b) == 4 * a + b).all()
    halved = FixedScaled(np.asarray(-3), np.asarray(1), np.asarray(10), (3, 4, 5)).step(a)
    assert halved is not None and set(np.unique(halved)) == {9, 10}  # cut toward zero


@pytest.mark.parametrize(("stride", "padding", "dilation", "groups"), [(1, 1, 1, 1), (2, 2, 2, 2), (3, 0, 1, 4)])
def test_convolutions(stride: int, padding: int, dilation: int, groups: int) -> None:
    torch = pytest.importorskip("torch")
    rng = np.random.default_rng(stride)
    weight, x = (
        rng.integers(-127, 128, (8, 4 // groups, 3, 3)).astype(float),
        rng.integers(0, 2, (5, 1, 4, 9, 8)).astype(float),
    )
    op = Weighted(weight, None, (stride, stride), (padding, padding), (dilation, dilation), groups)
    expected = torch.nn.functional.conv2d(
        torch.from_numpy(x[:, 0]), torch.from_numpy(weight), None, stride, padding, dilation, groups
    ).numpy()
    assert (weighted_map(op, weight, (1, *expected.shape[1:]))(x)[:, 0] == expected).all()
