"""k winners: closed form, stepper and definition let the same neurons win, which are those of the largest potentials."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from processes.invariants import invariants
from processes.operation import Window
from processes.phase_code import PhaseCode
from processes.phase_neuron import PhaseNeuron
from processes.phase_neuron.schedule import FloatSchedule
from processes.winners import Winners, WinnersStepper
from tests.processes.reference import batch, random_codes, run, spikes

SHAPE = (1, 5, 7)


def winners_of(codes: np.ndarray, steps: int, count: int) -> np.ndarray:
    """By definition, in plain Python: a stable sort of the trains, + before silence before -, step by step."""
    sent = np.stack([((codes == k + 1).astype(int) - (codes == -k - 1)).sum(0) for k in range(steps)], -1)
    found = np.zeros(codes.shape[1:], int)
    for group in np.ndindex(codes.shape[1:-1]):
        trains = [tuple(train) for train in sent[group].tolist()]
        found[group][sorted(range(len(trains)), key=lambda j: trains[j], reverse=True)[:count]] = 1
    return found


def check(op: Winners, codes: np.ndarray, steps: int) -> np.ndarray:
    """All three agree; 1 for winners (*shape)."""
    closed = op.closed_form(batch(codes[:, None])).values
    assert closed.dtype == torch.from_numpy(codes).dtype
    stepped = run(op, spikes(codes, 3, steps))
    assert stepped.window == Window(3 + steps, 4 + steps)
    assert (closed[:, 0].numpy() == stepped.codes).all()
    assert (stepped.codes[0] == winners_of(codes, steps, op.count)).all()
    assert (stepped.codes.sum(-1) == op.count).all()
    return stepped.codes[0]


@pytest.mark.parametrize("count", [1, 2, 6, 7])
@settings(max_examples=25)
@given(
    seed=st.integers(0, 2**32 - 1), planes=st.integers(1, 3), steps=st.sampled_from([2, 4, 12, 130]),
    silent=st.sampled_from([0.0, 0.3, 0.9, 1.0]), sign=st.sampled_from(["both", "plus", "minus"]),
)  # fmt: skip
def test_those_that_say_the_most_win(count: int, seed: int, planes: int, steps: int, silent: float, sign: str) -> None:
    """Few steps make many ties, more than there are places; of negative values the last to fire win, or who is silent."""
    codes = random_codes(np.random.default_rng(seed), SHAPE, steps, planes, silent, signed=sign == "both")
    check(Winners(shape=SHAPE, count=count), -codes if sign == "minus" else codes, steps)


TIES: dict[str, tuple[list[list[int]], int, list[int]]] = {
    "all the same": ([[2, 2, 2, 2]], 2, [1, 1, 0, 0]),
    "all silent": ([[0, 0, 0, 0]], 3, [1, 1, 1, 0]),
    "more at once than places": ([[3, 1, 1, 1]], 2, [0, 1, 1, 0]),
    "the next spike decides": ([[1, 1, 1, 2], [0, 4, 3, 3]], 2, [0, 1, 1, 0]),
    "a negative next spike is less than none": ([[1, 1, 1, 2], [-3, 0, -4, 3]], 2, [0, 1, 1, 0]),
    "silence is more than minus": ([[-1, 0, -2, 2]], 3, [0, 1, 1, 1]),
    "one place left, and two that say the same": ([[1, 2, 3, 3]], 3, [1, 1, 1, 0]),
}


@pytest.mark.parametrize("name", TIES)
def test_ties(name: str) -> None:
    """The race goes on with the next spikes; where there is none, the lower index wins, as in a stable sort."""
    planes, count, expected = TIES[name]
    codes = np.array(planes, np.int8)[:, None]
    assert check(Winners(shape=(1, 4), count=count), codes, 4)[0].tolist() == expected


@pytest.mark.parametrize("function", ["identity", "sigmoid", "relu"])
@pytest.mark.parametrize("planes", [1, 2, 3])
def test_the_largest_values_win_but_for_what_their_code_does_not_tell(function: str, planes: int) -> None:
    """No loser's value is larger than a winner's by more than a step of the code; equal codes go to the lower index."""
    rng = np.random.default_rng(planes)
    code = PhaseCode(1.3, 12)
    schedule = FloatSchedule(
        function=function, scale=np.ones((1, 1)), unit=np.ones((1, 1)), base=code.base, steps=code.steps
    )
    neuron = PhaseNeuron(shape=(6, 9), schedule=schedule, spikes=planes)
    v = torch.from_numpy(rng.normal(size=(4, 6, 9)))
    codes = neuron.closed_form(v, dtype=torch.float64).values
    op = Winners(shape=(6, 9), count=3)
    won = op.closed_form(codes).values[0] != 0
    decoded = neuron.decoded(codes)
    lowest = torch.where(won, decoded, torch.inf).amin(-1)
    highest = torch.where(won, -torch.inf, decoded).amax(-1)
    if planes == 1:
        assert bool((lowest >= highest).all())  # no loser decodes to more
    real = neuron.ideal(v)
    gap = torch.where(won, -torch.inf, real).amax(-1) - torch.where(won, real, torch.inf).amin(-1)
    error = (decoded - real).abs().amax(-1)
    assert bool((gap <= 2 * error).all())


def test_ideal_is_torchs() -> None:
    """Without ties, those that torch finds; with them, the first."""
    x = torch.randn(20, *SHAPE, generator=torch.Generator().manual_seed(0))
    op = Winners(shape=SHAPE, count=3)
    expected = torch.zeros_like(x).scatter(-1, x.topk(3).indices, 1.0)
    assert torch.equal(op.ideal(x), expected)
    assert op.ideal(torch.zeros(1, *SHAPE))[0, 0, 0].tolist() == [1, 1, 1, 0, 0, 0, 0]
    known = x.clone().requires_grad_()
    assert torch.equal(op.ideal(known).detach(), expected)
    assert torch.equal(torch.autograd.grad(op.ideal(known).sum(), known)[0], torch.ones_like(x))


def test_who_has_lost_stays_out(monkeypatch: pytest.MonkeyPatch) -> None:
    """Negative control: were those that say less still live, later spikes of theirs would take places."""
    race = WinnersStepper._race

    def forgiving(self: WinnersStepper, signs: np.ndarray) -> None:
        race(self, signs)
        self.live = ~self.won

    monkeypatch.setattr(WinnersStepper, "_race", forgiving)
    codes = random_codes(np.random.default_rng(0), SHAPE, 4, 2)
    with pytest.raises(AssertionError):
        check(Winners(shape=SHAPE, count=3), codes, 4)


BROKEN: dict[str, tuple[dict[str, Any], list[tuple[int, ...]], str]] = {
    "no winners": ({"count": 0}, [SHAPE], "0 winners"),
    "more than there are": ({"count": 8}, [SHAPE], "8 winners"),
    "another shape": ({"shape": (1, 7, 5)}, [SHAPE], "declares shape"),
    "two operands": ({}, [SHAPE, SHAPE], "operands of"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_what_does_not_fit_together_is_named(name: str) -> None:
    op = Winners(shape=SHAPE, count=3)
    assert next(iter(invariants(op, [SHAPE], [8])), None) is None
    changes, shapes, message = BROKEN[name]
    with pytest.raises(ValueError, match=message):
        for complaint in invariants(replace(op, **changes), shapes, [8] * len(shapes)):
            raise ValueError(complaint)
