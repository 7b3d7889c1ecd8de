"""The phase code: its levels, its error bound, and decoding by the compiled loop."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from processes.errors import DeployError
from processes.phase_code import PhaseCode, code_dtype
from processes.phase_neuron import PhaseNeuron
from processes.phase_neuron.schedule import FloatSchedule
from processes.spikes import decode
from tests.processes.reference import GRID, random_codes
from tests.tolerances import ROUNDING


def encode(x: np.ndarray, code: PhaseCode, scale: float, spikes: int = 1) -> torch.Tensor:
    """Codes (spikes, 1, n) of values (n,)."""
    one = np.ones(1)
    schedule = FloatSchedule(function="identity", scale=one * scale, unit=one, base=code.base, steps=code.steps)
    op = PhaseNeuron(shape=(x.size,), schedule=schedule, spikes=spikes)
    return op.closed_form(torch.from_numpy(x.reshape(1, -1).astype(np.float64))).values


@pytest.mark.parametrize("base, steps", GRID)
def test_levels_and_midpoints(base: float, steps: int) -> None:
    code = PhaseCode(base, steps)
    assert code.levels.tolist() == pytest.approx([base**-k for k in range(steps)], rel=ROUNDING)
    after = [base ** -(k + 1) for k in range(steps)]
    assert code.midpoints.tolist() == pytest.approx((code.levels + after) / 2, rel=ROUNDING)
    for bits in (3, 11, 12):
        trace = code.trace(bits)
        assert trace.dtype == np.int32 and trace[0] == 2**bits - 1
        assert (np.abs(trace - (2**bits - 1) * code.levels) <= 0.5).all()
        assert (np.diff(trace) <= 0).all()


@pytest.mark.parametrize("base, steps", [(1.0, 4), (0.5, 4), (2.0001, 4), (1.5, 1), (1.5, 0), (float("nan"), 4)])
def test_codes_that_cannot_be_are_refused(base: float, steps: int) -> None:
    with pytest.raises(DeployError, match=r"base|time steps") as error:
        PhaseCode(base, steps)
    assert "--" in str(error.value), "the message has to name the remedy"


@pytest.mark.parametrize("steps", [2, 16, 126, 127, 128, 129, 300])
def test_the_narrow_type_holds_every_code(steps: int) -> None:
    kind = code_dtype(steps)
    assert np.iinfo(kind).max >= steps and np.iinfo(kind).min <= -steps
    # the last step of the window, both signs
    last = PhaseCode(1.001, steps).levels[-1]
    assert encode(np.array([last, -last]), PhaseCode(1.001, steps), 1.0)[0, 0].tolist() == [steps, -steps]


@given(
    base=st.floats(1.01, 2.0),
    steps=st.integers(2, 60),
    scale=st.floats(1e-3, 1e3),
    fraction=st.floats(0, 1),
    negative=st.booleans(),
)
def test_decoding_errs_by_at_most_b_minus_1_over_b_plus_1(
    base: float, steps: int, scale: float, fraction: float, negative: bool
) -> None:
    """Between the last midpoint and (B + 1)/2 a value lies within a factor of its level, the same on both
    sides.

    L_k is sent for m_k <= x < m_(k-1) with m_k = L_k (1 + 1/B) / 2 and m_(k-1) = L_k (B + 1) / 2; the
    relative error is
    largest at either end, and (B - 1) / (B + 1) at both.
    """
    code = PhaseCode(base, steps)
    low, high = scale * code.midpoints[-1] * (1 + ROUNDING), scale * (base + 1) / 2
    x = low * (high / low) ** fraction * (-1 if negative else 1)
    y = float(decode(encode(np.array([x]), code, scale), code.levels, torch.float64)) * scale
    assert abs(y - x) <= (base - 1) / (base + 1) * abs(x) * (1 + 1e3 * ROUNDING)
    # the second spike codes what the first left, with the same relative error or below the last midpoint
    codes = encode(np.array([x]), code, scale, spikes=2)
    y = float(decode(codes, code.levels, torch.float64)) * scale
    bound = max(((base - 1) / (base + 1)) ** 2 * abs(x), scale * code.midpoints[-1])
    assert abs(y - x) <= bound * (1 + 1e3 * ROUNDING)


@pytest.mark.parametrize("base, steps", GRID)
def test_silence_saturation_and_ties(base: float, steps: int) -> None:
    code = PhaseCode(base, steps)
    m = code.midpoints
    below = np.nextafter(m, 0)
    assert encode(m, code, 1.0)[0, 0].tolist() == list(range(1, steps + 1)), "at a midpoint the earlier step wins"
    assert encode(-m, code, 1.0)[0, 0].tolist() == [-(k + 1) for k in range(steps)]
    assert encode(below, code, 1.0)[0, 0].tolist() == [*range(2, steps + 1), 0]
    assert encode(np.array([0.0, -0.0, 1.0, 1e30, -1e30]), code, 1.0)[0, 0].tolist() == [0, 0, 1, 1, -1]


@pytest.mark.parametrize("planes", [1, 2, 3])
@pytest.mark.parametrize("size", [1, 4095, 4096, 9001])
def test_decode_sums_every_plane(size: int, planes: int) -> None:
    rng = np.random.default_rng(size)
    codes = random_codes(rng, (size,), 40, planes)
    trace = PhaseCode(1.15, 40).trace(12)
    value = np.where(codes == 0, 0, np.sign(codes) * trace[np.abs(codes) - 1])
    for narrow in (np.int8, np.int16):
        y = decode(torch.from_numpy(codes.astype(narrow)), trace, torch.float64)
        assert (y.numpy() == value.sum(0)).all()
