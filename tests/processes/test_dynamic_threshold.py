"""Dynamic-threshold neurons: dividing by S and by the root of Qs is a comparison per step."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from processes.dynamic_threshold import DynamicThreshold
from processes.phase_code import PhaseCode
from tests.processes.reference import GRID, batch, currents, graded, random_codes, run, spikes, toward_zero
from tests.tolerances import TIE


def fires(drive: int | float, value: int | float, thresholds: list) -> int:
    """First k at which the drive reaches the threshold, with the sign of ``value``; zero never fires."""
    hit = [k for k, threshold in enumerate(thresholds) if drive >= threshold]
    return (hit[0] + 1) * (1 if value > 0 else -1) if hit and value != 0 else 0


def divide(scale: np.ndarray, code: PhaseCode, shape: tuple[int, ...], **kwargs) -> DynamicThreshold:
    return DynamicThreshold(shape=shape, scale=scale, base=code.base, steps=code.steps, squared=False, **kwargs)


@pytest.mark.parametrize("base, steps", GRID)
def test_softmax_division_fixed(base: float, steps: int) -> None:
    """Against |V| >= (table_k S) >> shift in Python integers, S summed from the codes of e."""
    rng = np.random.default_rng(steps)
    code, shape, keys = PhaseCode(base, steps), (1, 2, 5, 3), 4
    e = random_codes(rng, (1, 2, 5, keys), steps, signed=False)
    e[0, 0, 0, 0] = 0  # S = 0
    trace = code.trace(10)
    scale = np.ones((1, 2, 1, 3))
    peak = rng.uniform(0.5, 40, (6, 1))
    shift = rng.integers(0, 12, 6)
    table = np.rint(peak * code.midpoints * 2.0 ** shift[:, None]).astype(np.int64)
    value = np.where(e == 0, 0, trace[np.abs(e) - 1])[0].sum(-1)
    v = rng.integers(-(10**5), 10**5, shape)
    v[..., 1] = 0
    # exact ties with a random threshold, and one below
    k = rng.integers(0, steps, shape)
    rows = (np.arange(2)[:, None] * 3 + np.arange(3))[None, :, None, :]
    v[0, :, 2:4] = ((table[rows, k] * value[..., None]) >> shift[rows])[0, :, 2:4]
    v[0, :, 3] -= 1
    v = v.clip(-(2**23) + 1, 2**23 - 1)
    op = divide(scale, code, shape, table=table, shift=shift, trace=trace, state_bits=24)
    closed = op.closed_form(batch(v[None].astype(np.int32)), batch(e[:, None])).values.numpy()[0, 0]
    stepped = run(op, currents([v // 2, None, v - v // 2], 3 + steps), spikes(e, 2, steps)).codes[0]
    assert (closed == stepped).all()
    for index in np.ndindex(shape):
        _, head, row, d = index
        i, s = head * 3 + d, int(value[0, head, row])
        limits = [(t * s) >> int(shift[i]) for t in table[i].tolist()]
        expected = fires(abs(int(v[index])), int(v[index]), limits) if s else 0
        assert closed[index] == expected, index
    assert (closed[0, 0, 0] == 0).all(), "a row whose keys are all silent has nothing to divide by"


def test_rows_of_one_feature() -> None:
    """Each row has a factor of its own, and one neuron."""
    rng, code, shape = np.random.default_rng(0), PhaseCode(1.15, 40), (1, 2, 1500, 1)
    e = random_codes(rng, (1, 2, 1500, 4), 40, signed=False)
    scale = np.array([0.5, 2.0]).reshape(1, 2, 1, 1)
    v = rng.normal(size=shape) * np.where(e == 0, 0, code.levels[np.abs(e) - 1])[0].sum(-1, keepdims=True)
    op = divide(scale, code, shape, table=scale.reshape(-1, 1) * code.midpoints, trace=code.levels)
    closed = op.closed_form(batch(v[None]), batch(e[:, None]), dtype=torch.float64).values.numpy()[0, 0]
    assert (closed == run(op, graded(v, 42), spikes(e, 2, 40)).codes[0]).all()
    assert len(np.unique(closed)) > 40


@pytest.mark.parametrize("base, steps", GRID)
def test_softmax_division_float(base: float, steps: int) -> None:
    rng = np.random.default_rng(steps)
    code, shape = PhaseCode(base, steps), (1, 2, 5, 3)
    e = random_codes(rng, (1, 2, 5, 4), steps, signed=False, silent=0.1)
    e[..., 0] = 1  # the winner
    scale = rng.uniform(0.5, 2, (1, 2, 1, 3))
    s = np.where(e == 0, 0, code.levels[np.abs(e) - 1])[0].sum(-1, keepdims=True)
    v = rng.normal(size=shape) * s
    v[0, :, 1], v[0, :, 2], v[0, :, 3] = 0, 1e9, -1e9
    op = divide(scale, code, shape, table=scale.reshape(-1, 1) * code.midpoints, trace=code.levels)
    closed = op.closed_form(batch(v[None]), batch(e[:, None]), dtype=torch.float64).values.numpy()[0, 0]
    stepped = run(op, graded(v, steps + 2), spikes(e, 2, steps)).codes[0]
    out = np.abs(v / s)[..., None] / (scale[..., None] * code.midpoints)
    tie = (np.abs(out - 1) <= TIE).any(-1)
    expected = np.where((out >= 1).any(-1), ((out >= 1).argmax(-1) + 1) * np.sign(v), 0)
    assert ((closed == expected) | tie).all() and ((stepped == closed) | tie).all()
    assert tie.mean() < 0.1


@given(
    seed=st.integers(0, 2**32 - 1), grid=st.sampled_from(GRID), features=st.integers(1, 9),
    drive_shift=st.integers(0, 9), drive_bits=st.sampled_from([8, 12, 15]),
)  # fmt: skip
def test_norm_fixed(seed: int, grid: tuple, features: int, drive_shift: int, drive_bits: int) -> None:
    """c'^2 >= (table_k (Qs + E)) >> shift, c' = c shifted toward zero and saturated."""
    rng = np.random.default_rng(seed)
    code, shape = PhaseCode(*grid), (1, 4, features)
    limit = 2 ** (drive_bits - 1) - 1
    c = rng.integers(-(2**18), 2**18, shape)
    c[0, 0], c[0, 1] = 0, 5
    c[0, 2] = rng.choice([-1, 1], features) * 2**22  # far above the scale: the drive saturates
    qs = rng.integers(0, 2**23, (1, 4, 1))
    qs[0, 0] = 0  # zero variance
    shift = rng.integers(0, 32, features)
    top = rng.integers(2**20, 2**24, (features, 1))
    table = np.rint(top * code.midpoints**2).astype(np.int64)
    offset = int(rng.integers(1, 1000))
    op = DynamicThreshold(
        shape=shape, scale=np.ones((1, 1, features)), base=code.base, steps=code.steps, table=table,
        squared=True,
        offset=float(offset), features=features, shift=shift, drive_shift=drive_shift,
        drive_bits=drive_bits, state_bits=24,
    )  # fmt: skip
    closed = op.closed_form(batch(c[None].astype(np.int32)), batch(qs[None].astype(np.int32))).values.numpy()[0, 0]
    stepped = run(op, graded(c, 3), currents([qs // 3, None, qs - qs // 3], 3)).codes[0]
    assert (closed == stepped).all()
    for _, row, d in np.ndindex(shape):
        cut = max(-limit, min(limit, toward_zero(int(c[0, row, d]), drive_shift)))
        factor = int(qs[0, row, 0]) + offset
        limits = [(t * factor) >> int(shift[d]) for t in table[d].tolist()]
        assert closed[0, row, d] == fires(cut * cut, cut, limits)


@pytest.mark.parametrize("base, steps", GRID)
def test_norm_float_codes_what_layer_norm_computes(base: float, steps: int) -> None:
    rng = np.random.default_rng(steps)
    code, n, eps = PhaseCode(base, steps), 8, 1e-5
    x = torch.from_numpy(rng.normal(size=(1, 6, n)))
    x[0, 0], x[0, 1] = 0.0, 3.0  # zero and equal rows have no variance
    x[0, 2] *= 1e6
    x[0, 3] = -x[0, 3].abs()
    c = x - x.mean(-1, keepdim=True)
    c[0, :2] = 0
    y = torch.nn.functional.layer_norm(x, (n,), eps=eps)
    scale = y.abs().amax((0, 1), keepdim=True).numpy()
    qs = c.square().sum(-1, keepdim=True)
    op = DynamicThreshold(
        shape=(1, 6, n), scale=scale, base=base, steps=steps, squared=True, offset=n * eps, features=n,
        table=(scale.reshape(-1, 1) * code.midpoints) ** 2 / n,
    )  # fmt: skip
    assert torch.allclose(op.ideal(c[None], qs[None])[0], y, atol=TIE)
    closed = op.closed_form(c[None], qs[None], dtype=torch.float64).values.numpy()[0, 0]
    stepped = run(op, graded(c.numpy(), 0), currents([qs.numpy()], 0)).codes[0]
    assert (closed == stepped).all()
    ratio = np.abs(y.numpy())[..., None] / (scale[..., None] * code.midpoints)
    tie = (np.abs(ratio - 1) <= TIE).any(-1)
    expected = np.where((ratio >= 1).any(-1), ((ratio >= 1).argmax(-1) + 1) * np.sign(c.numpy()), 0)
    assert ((closed == expected) | tie).all() and tie.mean() < 0.5
    assert (closed[0, :2] == 0).all()


@pytest.mark.parametrize("parameter", [(1, 1, 1, 1), (1, 1, 1, 3), (1, 2, 1, 3)])
def test_every_scale_shape_that_folds_meets_its_own_row(parameter: tuple[int, ...]) -> None:
    """S belongs to a row of a head, whatever axes the scale varies along."""
    rng = np.random.default_rng(0)
    code, shape = PhaseCode(1.4, 16), (1, 2, 5, 3)
    scale = rng.uniform(0.5, 2, parameter)
    e = random_codes(rng, (1, 2, 5, 4), 16, signed=False)
    e[..., 0] = 1
    v = rng.normal(size=shape)
    op = divide(scale, code, shape, table=scale.reshape(-1, 1) * code.midpoints, trace=code.levels)
    closed = op.closed_form(batch(v[None]), batch(e[:, None]), dtype=torch.float64).values.numpy()[0, 0]
    assert (run(op, graded(v, 18), spikes(e, 2, 16)).codes[0] == closed).all()


def fires_on(value: float, entry, factor, k_of: tuple, spikes: int, squared: bool) -> list[int]:
    """The definition of several spikes: thresholds ``entry(level)`` times the factor, compared with the drive.

    ``k_of`` are levels and midpoints; the first spike's entries come with ``entry(None, k)``.
    """
    levels, midpoints = k_of
    drive = value * value if squared else abs(value)
    codes, sent = [], 0
    for k in range(len(levels)):
        if len(codes) == spikes or value == 0 or factor <= 0:
            break
        if not codes:
            sign = int(drive >= entry(None, k))
        elif drive >= entry(sent + midpoints[k], k):
            sign = 1
        else:
            sign = -int(sent >= midpoints[k] and drive <= entry(sent - midpoints[k], k))
        if sign:
            sent += sign * levels[k]
            codes.append(sign * (k + 1) * (1 if value > 0 else -1))
    return codes + [0] * (spikes - len(codes))


@pytest.mark.parametrize("squared", [False, True])
@pytest.mark.parametrize("spikes_each", [1, 2, 3])
@pytest.mark.parametrize("base, steps", GRID)
def test_several_spikes_float(base: float, steps: int, spikes_each: int, squared: bool) -> None:
    """Against V or c compared with (A +- m_k) S or (A +- m_k)^2 (Qs + n eps), and close to the quotient."""
    rng = np.random.default_rng(steps)
    code, shape, power = PhaseCode(base, steps), (1, 2, 8, 3), 2 if squared else 1
    scale = rng.uniform(0.5, 2, (1, 2, 1, 3))
    unit = scale.reshape(-1) ** power / (8 if squared else 1)
    table = unit[:, None] * code.midpoints**power
    v = rng.normal(size=shape) * rng.choice([1, 0.1], shape)
    v[0, :, 1], v[0, :, 2], v[0, :, 3] = 0, 1e9, -1e9
    if squared:
        factor = rng.uniform(0.5, 2, (1, 2, 8, 1))
        other, operand = batch(factor[None]), currents([factor], 2)
    else:
        e = random_codes(rng, (1, 2, 8, 4), steps, signed=False)
        e[..., 0] = 1  # the winner
        factor = np.where(e == 0, 0, code.levels[np.abs(e) - 1])[0].sum(-1, keepdims=True)
        other, operand = batch(e[:, None]), spikes(e, 2, steps)
    op = DynamicThreshold(
        shape=shape, scale=scale, base=base, steps=steps, table=table, squared=squared, spikes=spikes_each,
        trace=None if squared else code.levels, offset=0.25 if squared else 0.0, features=8,
    )  # fmt: skip
    closed = op.closed_form(batch(v[None]), other, dtype=torch.float64).values.numpy()[:, 0]
    stepped = run(op, graded(v, steps + 2), operand, planes=spikes_each).codes
    assert (closed == stepped).all()
    differing = 0
    for index in np.ndindex(shape):
        i = index[1] * 3 + index[3]
        limit = factor[(*index[:3], 0)] + (0.25 if squared else 0)

        def entry(level, k, i=i, limit=limit) -> float:
            return (table[i, k] if level is None else level**power * unit[i]) * limit

        expected = fires_on(v[index], entry, limit, (code.levels, code.midpoints), spikes_each, squared)
        differing += closed[(slice(None), *index)].tolist() != expected
    assert differing <= (0.05 * v.size if base == 2 else 0), "exact but for ties, which levels of base 2 abound in"
    quick = op.closed_form(batch(v[None].astype(np.float32)), other, dtype=torch.float64).values.numpy()[:, 0]
    assert (quick != closed).mean() < 0.02, "float32 looks codes up, with rounding"


@given(
    seed=st.integers(0, 2**32 - 1), grid=st.sampled_from(GRID), squared=st.booleans(),
    spikes_each=st.sampled_from([1, 2, 3]), drive_shift=st.integers(0, 4),
)  # fmt: skip
def test_several_spikes_fixed(seed: int, grid: tuple, squared: bool, spikes_each: int, drive_shift: int) -> None:
    """Entries of A +- m_k are (gain (A +- m_k)^p) >> gain_shift, in Python integers."""
    rng = np.random.default_rng(seed)
    code, features, power = PhaseCode(*grid), 5, 2 if squared else 1
    shape = (1, 6, features)
    shift, top = rng.integers(8, 28, features), rng.integers(2**20, 2**24, (features, 1))
    table = np.rint(top * code.midpoints**power).astype(np.int64)
    levels, midpoints = (np.rint(2.0**20 * x).astype(np.int64) for x in (code.levels, code.midpoints))
    gain_shift = np.full(features, 32 if squared else 12)
    gain = np.rint(top[:, 0] * 2.0 ** (gain_shift - 20 * power)).astype(np.int64)
    trace, e = code.trace(10), random_codes(rng, (1, 6, 4), grid[1], signed=False)
    qs = rng.integers(0, 2**23, (1, 6, 1))
    qs[0, 0] = 0
    factor = qs + 7 if squared else np.where(e == 0, 0, trace[np.abs(e) - 1])[0].sum(-1, keepdims=True)
    # somewhere between far below the last threshold and beyond the first
    target = rng.choice([1.5, 1.0, 0.3, 0.05], shape) * rng.random(shape) * top.T * factor / 2.0**shift
    v = np.rint(np.sqrt(target) * 2**drive_shift if squared else target).astype(np.int64)
    v = (v * rng.choice([-1, 1], shape)).clip(-(2**23) + 1, 2**23 - 1)
    op = DynamicThreshold(
        shape=shape, scale=np.ones((1, 1, features)), base=code.base, steps=code.steps, table=table,
        squared=squared, trace=None if squared else trace, offset=7.0 if squared else 0.0, features=features,
        shift=shift, spikes=spikes_each, levels=levels, midpoints=midpoints, gain=gain, gain_shift=gain_shift,
        drive_shift=drive_shift if squared else 0, drive_bits=15 if squared else 0, state_bits=24,
    )  # fmt: skip
    other, operand = (batch(qs[None].astype(np.int32)), currents([qs], 3)) if squared else (
        batch(e[:, None]), spikes(e, 3, grid[1]))  # fmt: skip
    closed = op.closed_form(batch(v[None].astype(np.int32)), other).values.numpy()[:, 0]
    assert (closed == run(op, graded(v, 3 + grid[1]), operand, planes=spikes_each).codes).all()
    for index in np.ndindex(shape):
        d, limit, x = index[2], int(factor[0, index[1], 0]), int(v[index])
        if squared:
            x = max(-(2**14) + 1, min(2**14 - 1, toward_zero(x, drive_shift)))

        def entry(level, k, d=d, limit=limit) -> int:
            entry = table[d, k] if level is None else (int(level) ** power * int(gain[d])) >> int(gain_shift[d])
            return (int(entry) * limit) >> int(shift[d])

        expected = fires_on(x, entry, limit, (levels.tolist(), midpoints.tolist()), spikes_each, squared)
        assert closed[(slice(None), *index)].tolist() == expected, index
