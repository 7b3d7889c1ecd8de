"""SI-exp, SI-norm and fitted neurons: closed form, stepper and the paper's equations agree; fits say what they reach."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from processes.backends.numba import spelled
from processes.si_exp import SiExp
from processes.si_exp.table import Table
from processes.si_neuron import SiNeuron
from processes.si_norm import SiNorm
from tests.processes.reference import batch, currents, run, spikes

STATE = 24


def random_exp(rng: np.random.Generator, shape: tuple[int, ...], fixed: bool, clock: bool, steps: int = 6) -> SiExp:
    """Parameters of no particular meaning, in quarters so that floating point is exact too."""
    heads = shape[-3] if len(shape) > 2 and rng.random() < 0.5 else 1
    low, high = (-400, 400)

    def table(*size: int) -> np.ndarray:
        values = rng.integers(low, high, size)
        return values.astype(np.int32) if fixed else values / 4

    c = rng.integers(8, 90, (heads, 1)) * 2.0 ** np.arange(3, -1, -1)
    return SiExp(
        shape=shape, threshold=table(heads, steps), reset=table(heads, steps), output=table(3, steps), gain=np.ones(1),
        clock=(c.astype(np.int32) if fixed else c) if clock else None,
        half=(c[:, -1] / 2 if not fixed else (c[:, -1] // 2).astype(np.int32)) if clock else None,
        allowed=rng.random((1,) * (len(shape) - 1) + shape[-1:]) < 0.7, state_bits=STATE if fixed else 0,
    )  # fmt: skip


def by_definition(op: SiExp, row: list, allowed: list[bool], head: int) -> list[tuple[list[int], float]]:
    """Steps of the spikes, and the exponential that they spell, of one row."""
    racing = [v for v, a in zip(row, allowed, strict=True) if a]
    found = []
    for v, takes_part in zip(row, allowed, strict=True):
        fired, behind, total = [], 0, 0
        if not takes_part:
            found.append((fired, 0))
            continue
        x = v
        if op.clock is not None:
            x = v - max(racing)
            for j, c in enumerate(op.clock[head].tolist()):
                if x + c <= op.half[head]:
                    x, behind = x + c, behind + 2 ** (op.digits - 1 - j)
                    fired.append(j)
        if op.clock is None or x >= -2 * op.half[head]:
            for t in range(op.threshold.shape[1]):
                if x >= op.threshold[head, t]:
                    x -= op.reset[head, t]
                    total += op.output[behind % len(op.output), t]
                    fired.append(op.digits + t)
        total, shift = max(total, 0), behind // len(op.output)
        found.append((fired, int(total) >> shift if op.state_bits else total / 2**shift))
    return found


@pytest.mark.parametrize("fixed", [False, True])
@pytest.mark.parametrize("clock", [False, True])
@pytest.mark.parametrize("shape", [(1, 2, 3, 5), (2, 2, 2, 4), (3, 4)])
def test_exp_is_its_definition(shape: tuple[int, ...], clock: bool, fixed: bool) -> None:
    rng = np.random.default_rng(len(shape) + 10 * clock)
    for _ in range(8):
        op = random_exp(rng, shape, fixed, clock)
        v = rng.integers(-2500, 400, shape) / (1 if fixed else 4)
        v = v.astype(np.int32) if fixed else v
        wide = v.astype(np.int64 if fixed else np.float64)
        closed = op.closed_form(batch(v[None])).values[:, 0].numpy()
        noise = rng.integers(-50, 50, shape).astype(wide.dtype)
        stepped = run(op, currents([noise, None, wide - noise], 1), planes=op.spikes)
        assert (stepped.codes == closed).all()
        exponentials = spelled(batch(closed), op.output, op.digits).numpy().reshape(-1, shape[-1])
        rows = closed.reshape(op.spikes, -1, shape[-1])
        allowed = np.broadcast_to(op.allowed, shape).reshape(-1, shape[-1])
        heads = shape[-3] if len(shape) > 2 else 1
        for i, row in enumerate(v.reshape(-1, shape[-1]).tolist()):
            head = i // shape[-2] % heads if len(op.threshold) > 1 else 0
            for d, (fired, value) in enumerate(by_definition(op, row, allowed[i].tolist(), head)):
                assert [c - 1 for c in rows[:, i, d].tolist() if c] == fired
                assert exponentials[i, d] == value


@given(seed=st.integers(0, 2**32 - 1), keys=st.integers(1, 7), lift=st.integers(0, 3), digits=st.integers(2, 9))
@settings(max_examples=60)
def test_norm_counts_shares(seed: int, keys: int, lift: int, digits: int) -> None:
    """floor(N w / V_th) in integers, digits and train alike, closed form and stepped; equations 5-10."""
    rng = np.random.default_rng(seed)
    exponential = random_exp(rng, (2, keys), True, True)
    v = rng.integers(-2500, 400, exponential.shape).astype(np.int32)
    codes = exponential.closed_form(batch(v[None])).values
    w = spelled(codes[:, 0], exponential.output, exponential.digits).numpy()
    total = w.sum(-1, keepdims=True)
    counts = 2 ** (digits - 1)
    scale = np.full((1, 1), 2.0**-lift)
    for rounded in (False, True):
        half = (total >> digits) * counts if rounded else 0 * total
        common = {"shape": w.shape, "output": exponential.output, "digits": exponential.digits, "rounded": rounded}
        op = SiNorm(steps=digits, scale=scale, state_bits=STATE, **common)
        fired = op.closed_form(codes).values
        wanted = np.where(total > 0, (counts * w * 2**lift + half) // np.maximum(total, 1), 0)
        sent = (np.where(fired[:, 0].numpy() > 0, 2.0 ** (digits - fired[:, 0].numpy()), 0)).sum(0)
        assert (sent == np.minimum(wanted, 2 * counts - 1)).all()
        source = spikes(codes[:, 0].numpy(), 2, exponential.steps)
        assert (run(op, source, planes=op.spikes).codes == fired[:, 0].numpy()).all()
        if lift == 0:
            train = SiNorm(steps=counts, scale=np.ones((1, 1)), form="train", state_bits=STATE, **common)
            regular = train.closed_form(codes).values[:, 0].numpy()
            assert ((regular > 0).sum(0) == wanted).all()
            assert (run(train, source, planes=train.spikes).codes == regular).all()


@pytest.mark.parametrize("fixed", [False, True])
@pytest.mark.parametrize("parameter", [(1, 1, 1), (1, 1, 6), (1, 4, 1)])
def test_neuron_is_its_table(parameter: tuple[int, ...], fixed: bool) -> None:
    rng = np.random.default_rng(sum(parameter))
    table = Table("gelu", -4.0, 4.0, 0, *(rng.integers(-30, 30, 8) / 4 for _ in range(3)))
    unit = 2.0 ** -rng.integers(2, 5, parameter)  # powers of two: tables in their units are exact
    per_row = 1 / unit.reshape(-1, 1)
    shape = (1, 4, 6)
    threshold, reset = table.threshold * per_row, table.reset * per_row
    op = SiNeuron(
        shape=shape, function="gelu", output=table.output, unit=unit, state_bits=STATE if fixed else 0,
        threshold=threshold.astype(np.int32) if fixed else threshold, reset=reset.astype(np.int32) if fixed else reset,
    )  # fmt: skip
    v = rng.integers(-80, 80, shape)
    closed = op.closed_form(batch((v.astype(np.int32) if fixed else v.astype(float))[None])).values
    stepped = run(op, currents([v.astype(np.int64 if fixed else float)], 1), planes=op.spikes)
    assert (stepped.codes == closed[:, 0].numpy()).all()
    wanted = table.spikes(v * np.broadcast_to(unit, shape))
    fired = np.stack([(np.abs(closed[:, 0].numpy()) == t + 1).any(0) for t in range(8)])
    assert (fired == wanted).all()
    values = op.decoded(closed)[0].numpy()
    assert np.abs(values - np.tensordot(table.output, wanted, 1)).max() < 1e-5 * np.abs(table.output).max()
    assert torch.equal(op.ideal(torch.ones(1)), torch.nn.functional.gelu(torch.ones(1)))
