"""Max pooling: closed form, stepper and definition let the same trains through, which are those of the largest potentials."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from processes.invariants import invariants
from processes.max_pool import MaxPool, MaxPoolStepper
from processes.operation import Window
from processes.phase_code import PhaseCode
from processes.phase_neuron import PhaseNeuron
from processes.phase_neuron.schedule import FloatSchedule
from tests.processes.reference import batch, random_codes, run, spikes

SOURCE = (1, 2, 5, 7)


def pool(source: tuple[int, ...], code: PhaseCode, planes: int = 1, ceil: bool = False, **geometry: Any) -> MaxPool:
    """As torch would pool a sample of shape ``source``."""
    given = {"kernel": (2, 2), "stride": (2, 2), "padding": (0, 0), "dilation": (1, 1)} | geometry
    shape = torch.nn.functional.max_pool2d(
        torch.empty(source), given["kernel"], given["stride"], given["padding"], given["dilation"], ceil
    ).shape
    scale = np.ones((1,) * 4)
    return MaxPool(shape=tuple(shape), scale=scale, base=code.base, steps=code.steps, spikes=planes, **given)


def fields(op: MaxPool, source: tuple[int, ...]) -> list[list[tuple[int, ...]]]:
    """Which values each output is the largest of, in C order, in plain loops."""
    found = []
    for _, c, y, x in np.ndindex(*op.shape):
        own = []
        for i, j in np.ndindex(*op.kernel):
            place = [
                at * s - p + tap * d
                for at, tap, s, p, d in zip((y, x), (i, j), op.stride, op.padding, op.dilation, strict=True)
            ]
            if all(0 <= at < size for at, size in zip(place, source[2:], strict=True)):
                own.append((0, c, *place))
        found.append(own)
    return found


def trains(codes: np.ndarray, steps: int) -> np.ndarray:
    """Codes (planes, *shape) as signs (*shape, steps)."""
    return np.stack([((codes == k + 1).astype(int) - (codes == -k - 1)).sum(0) for k in range(steps)], -1)


def check(op: MaxPool, codes: np.ndarray) -> np.ndarray:
    """All three agree; the trains (*shape, steps)."""
    closed = op.closed_form(batch(codes[:, None])).values
    assert closed.dtype == torch.from_numpy(codes).dtype
    stepped = run(op, spikes(codes, 3, op.steps), planes=op.spikes)
    assert stepped.window == Window(4, 4 + op.steps)
    assert (closed[:, 0].numpy() == stepped.codes).all()
    sent = trains(codes, op.steps)
    direct = [max(tuple(sent[place].tolist()) for place in own) for own in fields(op, codes.shape[1:])]
    got = trains(stepped.codes, op.steps)
    assert got.reshape(-1, op.steps).tolist() == [list(train) for train in direct]
    return got


GEOMETRY: dict[str, dict[str, Any]] = {
    "side by side": {},
    "overlapping, padded": {"kernel": (3, 3), "padding": (1, 1)},
    "dilated, one axis shifted": {"kernel": (2, 3), "stride": (1, 2), "dilation": (3, 2), "padding": (1, 1)},
    "beyond the end": {"kernel": (2, 3), "ceil": True},
    "all of a column": {"kernel": (5, 1), "stride": (1, 1)},
    "nothing to choose": {"kernel": (1, 1), "stride": (2, 3)},
}


@pytest.mark.parametrize("name", GEOMETRY)
@settings(max_examples=25)
@given(
    seed=st.integers(0, 2**32 - 1), planes=st.integers(1, 3), steps=st.sampled_from([2, 4, 12]),
    silent=st.sampled_from([0.0, 0.3, 0.9]), sign=st.sampled_from(["both", "plus", "minus"]),
)  # fmt: skip
def test_the_largest_train_of_each_field(
    name: str, seed: int, planes: int, steps: int, silent: float, sign: str
) -> None:
    """Few steps make many ties; fields of negative values are those of the last to fire."""
    codes = random_codes(np.random.default_rng(seed), SOURCE, steps, planes, silent, signed=sign == "both")
    check(pool(SOURCE, PhaseCode(1.4, steps), planes, **GEOMETRY[name]), -codes if sign == "minus" else codes)


@pytest.mark.parametrize("steps, planes", [(4, 1), (127, 1), (127, 3), (200, 3), (16, 8)])
def test_trains_at_the_ends_of_what_a_number_holds(steps: int, planes: int) -> None:
    """The largest and smallest ranks, in float32 and float64, and those next to them."""
    late = np.arange(steps - planes, steps) + 1
    early = np.arange(planes) + 1
    kinds = [early, -early, late, -late, 0 * late, np.r_[early[:-1], late[-1:]], np.r_[-early[:-1], late[-1:]]]
    ends = np.stack(kinds, -1).astype(np.int16)  # (planes, kinds)
    pairs = np.stack(np.meshgrid(*[np.arange(len(kinds))] * 2), -1).reshape(-1, 2)
    codes = ends[:, pairs][:, None, None]  # (planes, 1, 1, pairs, 2)
    check(pool(codes.shape[1:], PhaseCode(1.05, steps), planes, kernel=(1, 2), stride=(1, 2)), codes)


@pytest.mark.parametrize("function", ["identity", "relu", "gelu", "sigmoid"])
@pytest.mark.parametrize("planes", [1, 2, 3])
def test_the_code_of_the_largest_value_is_what_comes_through(function: str, planes: int) -> None:
    """Coding and pooling commute, for values of either sign and with any number of spikes."""
    rng = np.random.default_rng(planes)
    code, shape = PhaseCode(1.3, 12), (1, 3, 8, 8)
    values = rng.normal(size=(4, *shape))
    values[1] = -np.abs(values[1])  # all negative
    values[2] = rng.choice(values[2].reshape(-1)[:3], shape)  # ties
    values[3] *= 0.02  # hardly any spikes
    scale = np.array([0.5, 1.0, 2.0]).reshape(1, 3, 1, 1)
    schedule = FloatSchedule(function=function, scale=scale, unit=np.ones_like(scale), base=code.base, steps=code.steps)

    def coded(v: torch.Tensor) -> torch.Tensor:
        neuron = PhaseNeuron(shape=tuple(v.shape[1:]), schedule=schedule, spikes=planes)
        return neuron.closed_form(v, dtype=torch.float64).values

    x = torch.from_numpy(values)
    op = replace(pool(shape, code, planes, kernel=(3, 3), padding=(1, 1)), scale=scale)
    activation = PhaseNeuron(shape=shape, schedule=schedule).ideal(x)
    largest = torch.nn.functional.max_pool2d(activation.flatten(0, 1), 3, 2, 1, return_indices=True)[1]
    winners = x.flatten(0, 1).flatten(-2).gather(-1, largest.flatten(-2)).reshape(4, *op.shape)
    assert torch.equal(op.closed_form(coded(x)).values, coded(winners))
    if planes == 1:
        decoded = op.fields(PhaseNeuron(shape=shape, schedule=schedule).decoded(coded(x)))
        assert torch.equal(op.decoded(coded(winners)), decoded)


def test_the_first_spike_closes_the_gate() -> None:
    """Of positive values; of negative ones the last passes, when it comes, and silence is more than any of them."""
    op = pool((1, 1, 1, 8), PhaseCode(2.0, 4), kernel=(1, 2), stride=(1, 2))
    codes = np.array([[3, 1, -1, -4, -2, 0, 2, -1]], np.int16).reshape(1, 1, 1, 1, 8)
    sent = check(op, codes)[0, 0, 0]
    assert sent.tolist() == [[1, 0, 0, 0], [0, 0, 0, -1], [0, 0, 0, 0], [0, 1, 0, 0]]


def test_who_has_lost_stays_out(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without memory, every field would pass on the first spike of each of its neurons: the checks above would find it."""
    decide = MaxPoolStepper._decide

    def forgetful(self: MaxPoolStepper, signs: np.ndarray) -> np.ndarray | None:
        found = decide(self, signs)
        self.live = None
        return found

    monkeypatch.setattr(MaxPoolStepper, "_decide", forgetful)
    with pytest.raises(AssertionError):
        check(pool(SOURCE, PhaseCode(2.0, 8)), random_codes(np.random.default_rng(0), SOURCE, 8))


def test_ideal_is_torchs_with_gradients() -> None:
    x = torch.randn(2, *SOURCE, requires_grad=True)
    op = pool(SOURCE, PhaseCode(2.0, 4), kernel=(3, 2), padding=(1, 1))
    expected = torch.nn.functional.max_pool2d(x.flatten(0, 1), (3, 2), (2, 2), (1, 1)).unflatten(0, (2, 1))
    assert torch.equal(op.ideal(x), expected)
    (gradient,) = torch.autograd.grad(op.ideal(x).sum(), x)
    assert torch.equal(gradient, torch.autograd.grad(expected.sum(), x)[0])


BROKEN: dict[str, tuple[dict[str, Any], str]] = {
    "another window": ({"steps": 9}, "window of 9 steps"),
    "too many trains": ({"spikes": 20}, "20 spikes"),
    "no spikes": ({"spikes": 0}, "0 spikes"),
    "channels": ({"shape": (1, 3, 2, 3)}, "declares shape"),
    "axes": ({"shape": (2, 2, 3)}, r"not \(1, channels"),
    "one number": ({"kernel": (2,)}, "kernel is"),
    "no stride": ({"stride": (0, 1)}, "stride is"),
    "wide padding": ({"padding": (2, 0)}, "padding"),
    "an empty field": ({"shape": (1, 2, 2, 5)}, "nothing but padding"),
    "scales within a field": ({"scale": np.ones((1, 2, 5, 1))}, "does not fit|varies within"),
    "scales of pixels": ({"scale": np.ones((1, 1, 1, 3))}, "varies within"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_what_does_not_fit_together_is_named(name: str) -> None:
    op = pool(SOURCE, PhaseCode(1.4, 8))
    assert next(iter(invariants(op, [SOURCE], [8])), None) is None
    changes, message = BROKEN[name]
    with pytest.raises(ValueError, match=message):
        for complaint in invariants(replace(op, **changes), [SOURCE], [8]):
            raise ValueError(complaint)
