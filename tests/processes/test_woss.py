"""WOSS: rows race by their own winner's clock; softmax without exponentials."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from processes.phase_code import PhaseCode
from processes.spikes import decode
from processes.woss import Woss
from processes.woss.further import further_thresholds
from tests.processes.reference import GRID, batch, currents, graded, run


@cache
def later(base: float, steps: int, spikes: int) -> tuple[np.ndarray, np.ndarray]:
    """What was sent, and where further spikes follow it; those of long windows take time."""
    return further_thresholds(PhaseCode(base, steps), spikes)


def entries(table: np.ndarray) -> np.ndarray:
    """Integer thresholds; infinite ones lie beyond every potential."""
    return np.rint(np.clip(table, -(2**30), 2**30)).astype(np.int32)


def race(row: list, ramp: list, allowed: list[bool]) -> list[int]:
    """The definition: first k with v_max - v_j <= ramp_k; masked keys neither race nor fire."""
    racing = [v for v, a in zip(row, allowed, strict=True) if a]
    if not racing:
        return [0] * len(row)
    winner = max(racing)
    hits = [
        [k for k, limit in enumerate(ramp) if winner - v <= limit] if a else []
        for v, a in zip(row, allowed, strict=True)
    ]
    return [h[0] + 1 if h else 0 for h in hits]


def further(row: list, op: Woss, head: int, first: list[int], allowed: list[bool]) -> list[list[int]]:
    """The definition: at the first later j whose threshold what is left of e reaches, from below (+) or from above (-)."""
    assert op.after is not None and op.prefixes is not None
    winner = max([v for v, a in zip(row, allowed, strict=True) if a], default=0)
    number = {tuple(code for code in prefix if code): i for i, prefix in enumerate(op.prefixes.tolist())}
    after = op.after[head if len(op.after) > 1 else 0]
    found = []
    for v, code in zip(row, first, strict=True):
        sent = [code] if code else []
        for j in range(code, op.steps):
            table = number.get(tuple(sent), 0)
            if table == 0 or len(sent) == op.spikes:
                break
            if winner - v <= after[table, 0, j]:
                sent.append(j + 1)
            elif winner - v >= after[table, 1, j]:
                sent.append(-(j + 1))
        found.append(sent[1:] + [0] * (op.spikes - max(1, len(sent))))
    return found


def check(op: Woss, v: np.ndarray, parts: list[np.ndarray | None]) -> np.ndarray:
    """Closed form, stepper (fed by ``parts``, which add up to ``v``) and definition; v (*shape), returns
    codes.
    """
    planes = op.closed_form(batch(v[None])).values[:, 0].numpy()
    closed = planes[:1]
    stepped = run(op, currents(parts, 1), planes=op.spikes)
    assert (stepped.codes == planes).all()
    allowed = np.broadcast_to(np.ones(1, bool) if op.allowed is None else op.allowed, op.shape).reshape(
        -1, op.shape[-1]
    )
    heads = op.shape[-3] if len(op.shape) > 2 else 1
    ramps = np.broadcast_to(op.ramp, (heads, op.steps)).tolist()
    rows = v.reshape(-1, op.shape[-1]).tolist()
    per_head = op.shape[-2]
    direct = [race(row, ramps[i // per_head % heads], allowed[i].tolist()) for i, row in enumerate(rows)]
    assert closed.reshape(-1, op.shape[-1]).tolist() == direct
    if op.after is not None:
        again = [further(row, op, i // per_head % heads, direct[i], allowed[i].tolist()) for i, row in enumerate(rows)]
        assert np.moveaxis(planes[1:], 0, -1).reshape(-1, op.shape[-1], op.spikes - 1).tolist() == again
    return closed


MASKS = {
    "none": None,
    "key": lambda rng, s: rng.random((1,) * (len(s) - 1) + s[-1:]) < 0.6,
    "head": lambda rng, s: rng.random((1,) * (len(s) - 3) + s[-3:]) < 0.6,
    "row": lambda rng, s: rng.random((1,) * (len(s) - 2) + s[-2:]) < 0.6,
    "full": lambda rng, s: rng.random(s) < 0.6,
}
SHAPES = [(1, 2, 4, 5), (1, 3, 2, 4, 5), (1, 1, 1, 1), (2, 4, 5), (4, 5)]


@pytest.mark.parametrize("mask", MASKS)
@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("fixed", [False, True])
def test_race(shape: tuple[int, ...], mask: str, fixed: bool) -> None:
    """Steps and ramps of halves, so that ties are exact in floating point too."""
    rng = np.random.default_rng(len(shape))
    make = MASKS[mask]
    allowed = None if make is None else make(rng, shape)
    heads = shape[-3] if len(shape) > 2 else 1
    for ramps in {1, heads}:
        for base, steps in [(1.05, 4), (1.15, 40), (2.0, 128)]:
            slope = rng.integers(1, 4, (ramps, 1))
            ramp = (np.arange(steps) + 0.5) * slope
            v = rng.integers(-3 * steps, 3 * steps, shape) / 2
            v[..., 0, :] = 7.0  # all equal
            v[..., -1, -1] = 1000.0  # far above the rest
            if fixed:
                ramp, v = (ramp * 2).astype(np.int32), (v * 2).astype(np.int32)
            wide = v.astype(np.int64 if fixed else np.float64)
            noise = rng.integers(-50, 50, shape).astype(wide.dtype)
            for spikes in (1, 2, 3) if steps < 128 else (1, 2):  # 128 steps of three have many tables
                prefixes, after = later(base, steps, spikes)
                after = after * (slope * 2**fixed / np.log(base))[..., None, None]
                op = Woss(
                    shape=shape, ramp=ramp, base=base, steps=steps, gain=np.ones(1), allowed=allowed, spikes=spikes,
                    prefixes=None if spikes == 1 else prefixes,
                    after=None if spikes == 1 else entries(after) if fixed else after, state_bits=24 if fixed else 0,
                )  # fmt: skip
                check(op, v, [noise, None, wide - noise])


@given(seed=st.integers(0, 2**32 - 1), bits=st.sampled_from([10, 16, 24]), keys=st.integers(1, 9))
def test_random_integer_rows(seed: int, bits: int, keys: int) -> None:
    """Potentials over the whole range of the state, saturating while they are integrated."""
    rng = np.random.default_rng(seed)
    limit = 2 ** (bits - 1) - 1
    base, steps = GRID[rng.integers(len(GRID))]
    gain = rng.uniform(0.5, 300) / limit
    ramp = np.rint((np.arange(steps) + 0.5) * np.log(base) / gain).astype(np.int32)[None]
    spikes = int(rng.integers(1, 4 if steps < 128 else 3))  # 128 steps of three have many tables
    prefixes, after = later(base, steps, spikes)
    op = Woss(
        shape=(1, 2, 3, keys), ramp=ramp, base=base, steps=steps, gain=np.array([gain]), state_bits=bits, spikes=spikes,
        prefixes=prefixes if spikes > 1 else None, after=entries(after[None] / gain) if spikes > 1 else None,
    )  # fmt: skip
    parts: list[np.ndarray | None] = [rng.integers(-limit, limit + 1, op.shape) for _ in range(3)]
    v = np.zeros(op.shape, np.int64)
    for part in parts:
        v = (v + part).clip(-limit, limit)
    check(op, v.astype(np.int32), parts)


@pytest.mark.parametrize("base, steps", GRID)
def test_spikes_decode_to_softmax(base: float, steps: int) -> None:
    """Half a step either way: each e_j lies within a factor sqrt(B) of exp(v_j - v_max), or beyond the
    window.
    """
    rng = np.random.default_rng(steps)
    code = PhaseCode(base, steps)
    v = rng.normal(0, 2, (1, 2, 6, 7))
    ramp = ((np.arange(steps) + 0.5) * np.log(base))[None]
    op = Woss(shape=v.shape, ramp=ramp, base=base, steps=steps, gain=np.ones(1))
    e = decode(op.closed_form(batch(v[None])).values, code.levels, torch.float64).numpy()[0]
    exact = np.exp(v - v.max(-1, keepdims=True))
    fired = e > 0
    assert (np.abs(np.log(e[fired] / exact[fired])) <= np.log(base) / 2 * (1 + 1e-9)).all()
    assert (exact[~fired] < base ** -(steps - 0.5)).all()
    assert (e.max(-1) == 1).all(), "the winner fires first"
    prefixes, after = further_thresholds(code, 2)
    common = {"ramp": ramp, "base": base, "steps": steps, "gain": np.ones(1)}
    two = Woss(shape=v.shape, spikes=2, prefixes=prefixes, after=after[None], **common)  # type: ignore[arg-type]
    codes = two.closed_form(batch(v[None])).values
    both = decode(codes, code.levels, torch.float64).numpy()[0]
    rest = exact - e
    left = np.abs(exact - both)[fired]
    later = np.abs(rest[fired]) >= code.midpoints[-1]  # levels at or before the first spike's are not used again
    assert (left <= np.abs(rest[fired]) + 1e-12).all() and left[later].sum() <= 0.5 * np.abs(rest[fired])[later].sum()
    ideal = op.ideal(batch(v[None]))[0].numpy()
    assert np.allclose(ideal, exact)
    assert np.allclose(ideal / ideal.sum(-1, keepdims=True), torch.from_numpy(v).softmax(-1).numpy())


def test_a_constant_added_to_a_row_changes_nothing() -> None:
    rng = np.random.default_rng(0)
    v = rng.integers(-100, 100, (1, 1, 5, 6)).astype(np.int32)
    op = Woss(
        shape=v.shape,
        ramp=np.arange(5, 85, 5, dtype=np.int32)[None],
        base=1.4,
        steps=16,
        gain=np.ones(1),
        state_bits=24,
    )
    shifted = v + rng.integers(-(10**6), 10**6, (1, 1, 5, 1)).astype(np.int32)
    assert (op.closed_form(batch(v[None])).values == op.closed_form(batch(shifted[None])).values).all()


@pytest.mark.parametrize("fixed", [False, True])
@pytest.mark.parametrize("heads", [1, 2])
def test_a_race_finds_the_same_winner_as_graded_spikes(heads: int, fixed: bool) -> None:
    """The winner is the largest of the first to cross, not the threshold: ties within a step, masked keys,
    rows above every threshold and rows that only the last one lets through.
    """
    rng = np.random.default_rng(heads)
    shape, steps = (1, 2, 30, 5), 8
    kind = np.int32 if fixed else np.float64
    lowest = np.iinfo(np.int32).min if fixed else -np.inf
    thresholds = np.array([[20, 10, 5, 0, -5, lowest], [9, 8, 7, 6, 5, lowest]])[:heads].astype(kind)
    v = rng.integers(-30, 30, shape).astype(kind)
    v[0, :, 0], v[0, :, 1], v[0, :, 2] = 3, -1000, 1000
    ramp = ((np.arange(steps) * 2 + 1) * np.ones((heads, 1))).astype(kind)
    allowed = rng.random((1, 1, 30, 5)) < 0.7
    for mask in (None, allowed):
        common = dict(
            shape=shape, ramp=ramp, base=2.0, steps=steps, gain=np.ones(1), allowed=mask, state_bits=24 * fixed
        )
        wide = v.astype(np.int64 if fixed else np.float64)
        raced = Woss(**common, race=thresholds)  # type: ignore[arg-type]
        codes = check(raced, v, [wide, None])
        assert (codes == check(Woss(**common), v, [wide, None])).all()  # type: ignore[arg-type]
        assert run(raced, currents([wide, None], 1)).window.start == 3 + thresholds.shape[1]


@pytest.mark.parametrize("fixed", [False, True])
def test_keys_that_a_sample_masks(fixed: bool) -> None:
    """A second operand says per sample which keys take part, as a graded message."""
    rng = np.random.default_rng(0)
    shape, steps = (1, 2, 4, 5), 8
    kind = np.int32 if fixed else np.float64
    v = rng.integers(-9, 10, shape).astype(kind)
    ramp = (np.arange(steps) * 2 + 1)[None].astype(kind)
    for keys in ([1, 1, 1, 1, 1], [1, 0, 1, 0, 1], [0, 0, 1, 0, 0]):
        present = np.array(keys).reshape(1, 1, 1, 5).astype(kind)
        common = dict(shape=shape, ramp=ramp, base=2.0, steps=steps, gain=np.ones(1), state_bits=24 * fixed)
        op = Woss(**common)  # type: ignore[arg-type]
        closed = op.closed_form(batch(v[None]), batch(present[None])).values[:, 0].numpy()
        wide = np.int64 if fixed else np.float64
        stepped = run(op, currents([v.astype(wide)], 3), graded(present.astype(wide), 1)).codes
        assert (closed == stepped).all()
        masked = Woss(**common, allowed=present != 0)  # type: ignore[arg-type]
        assert (closed == masked.closed_form(batch(v[None])).values[:, 0].numpy()).all()
