"""A potential at the threshold reaches it: comparisons of division are not strict, stepped and in closed form."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pytest
import torch

from processes.dynamic_threshold import DynamicThreshold
from processes.phase_code import PhaseCode
from tests.processes.reference import Operand, batch, currents, graded, run, spikes

STEPS, KEYS = 16, 4
ROWS = (1, STEPS, 1)  # one neuron at each step's threshold


class Case(NamedTuple):
    """A division, its second operand in closed form and stepped, and potentials at the thresholds and next below them."""

    op: DynamicThreshold
    other: torch.Tensor
    stepped: Operand
    at: np.ndarray
    below: np.ndarray


def of_real_numbers(squared: bool) -> Case:
    """Base 2 and a factor that is a power of two: products of thresholds are exact."""
    code = PhaseCode(2.0, STEPS)
    shared = {"shape": ROWS, "scale": np.ones((1, 1, 1)), "base": code.base, "steps": STEPS, "squared": squared}
    if squared:  # c^2 >= m_k^2 (3 + 1)
        factor = np.full((1, STEPS, 1), 3.0)
        op = DynamicThreshold(**shared, table=code.midpoints[None] ** 2, offset=1.0)
        other, stepped, at = batch(factor[None]), currents([factor], 0), 2 * code.midpoints
    else:  # |V| >= m_k 4
        e = np.ones((1, *ROWS[:2], KEYS), np.int8)
        op = DynamicThreshold(**shared, table=code.midpoints[None], trace=code.levels)
        other, stepped, at = batch(e[:, None]), spikes(e, 0, STEPS), KEYS * code.midpoints
    at = at.reshape(ROWS)
    return Case(op, other, stepped, at, np.nextafter(at, 0))


def of_integers(squared: bool) -> Case:
    """Thresholds are cut to whole numbers, so that one unit less is below them."""
    code, shift = PhaseCode(1.4, STEPS), 8
    shared = {
        "shape": ROWS, "scale": np.ones((1, 1, 1)), "base": code.base, "steps": STEPS, "squared": squared,
        "shift": np.array([shift]), "state_bits": 24,
    }  # fmt: skip
    if squared:  # c^2 >= m_k^2 (250 + 6) >> 8
        at = np.rint(2**12 * code.midpoints).astype(np.int64)
        factor = np.full((1, STEPS, 1), 250)
        op = DynamicThreshold(**shared, table=at[None] ** 2, offset=6.0, drive_bits=20)
        other, stepped = batch(factor[None].astype(np.int32)), currents([factor], 0)
    else:
        e = np.ones((1, *ROWS[:2], KEYS), np.int8)
        trace = code.trace(10)
        table = np.rint(37.3 * code.midpoints * 2**shift).astype(np.int64)
        at = table * int(KEYS * trace[0]) >> shift
        op = DynamicThreshold(**shared, table=table[None], trace=trace)
        other, stepped = batch(e[:, None]), spikes(e, 0, STEPS)
    at = at.reshape(ROWS)
    return Case(op, other, stepped, at, at - 1)


@pytest.mark.parametrize("squared", [False, True], ids=["softmax", "norm"])
@pytest.mark.parametrize("made", [of_real_numbers, of_integers])
@pytest.mark.parametrize("sign", [1, -1])
def test_a_quotient_at_a_threshold_fires_at_its_step_and_below_it_one_later(made, squared: bool, sign: int) -> None:
    case = made(squared)
    number = np.int32 if case.op.state_bits else np.float64
    for v, expected in ((case.at, range(1, STEPS + 1)), (case.below, [*range(2, STEPS + 1), 0])):
        potentials = batch((sign * v[None]).astype(number))
        closed = case.op.closed_form(potentials, case.other, dtype=torch.float64).values
        assert closed[0, 0, 0, :, 0].tolist() == [sign * k for k in expected]
        stepped = run(case.op, graded(sign * v, STEPS), case.stepped).codes
        assert stepped[0, 0, :, 0].tolist() == [sign * k for k in expected]
