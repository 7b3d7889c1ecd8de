"""The phase neuron: closed form, stepper and its definition in plain Python give the same spikes."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from processes.phase_code import PhaseCode
from processes.phase_neuron import PhaseNeuron
from processes.phase_neuron.activations import ACTIVATIONS
from processes.phase_neuron.activations import activation as activation_of
from processes.phase_neuron.further import further_tables, root_tables
from processes.phase_neuron.schedule import LINEAR, FixedSchedule, FloatSchedule
from processes.thresholds import ALWAYS, NEVER
from tests.processes.reference import GRID, batch, currents, graded, run, toward_zero
from tests.tolerances import TIE

Rows = list[list[float]] | list[list[int]]


def fires(v: float, pos: list, lo: list, hi: list, subtract: list, spikes: int) -> list[int]:
    """The definition for linear functions: step by step, at most ``spikes`` times, each spike leaving its rest,
    of either sign, to the later steps.
    """
    codes: list[int] = []
    for k in range(len(pos)):
        if len(codes) == spikes:
            break
        if v >= pos[k]:
            codes.append(k + 1)
            v -= subtract[k]
        elif (v <= -pos[k]) if codes else (lo[k] <= v <= hi[k]):
            codes.append(-(k + 1))
            v += subtract[k]
    return codes + [0] * (spikes - len(codes))


def check(op: PhaseNeuron, v: np.ndarray, tables: tuple[Rows, Rows, Rows, Rows]) -> np.ndarray:
    """All three agree on potentials (*shape), whose parameters vary along the last axis; returns the
    codes.
    """
    closed = op.closed_form(batch(v[None])).values[:, 0].numpy()
    stepped = run(op, graded(v.astype(np.int64) if op.state_bits else v, 2), planes=op.spikes).codes
    assert (closed == stepped).all()
    flat, width = v.reshape(-1).tolist(), v.shape[-1]
    rows = len(tables[0])
    direct = [fires(x, *(table[i % width % rows] for table in tables), op.spikes) for i, x in enumerate(flat)]
    assert closed.reshape(op.spikes, -1).T.tolist() == direct
    return closed


def float_neuron(base: float, steps: int, scale: np.ndarray, unit: np.ndarray, spikes: int, shape, function="identity"):
    schedule = FloatSchedule(function=function, scale=scale, unit=unit, base=base, steps=steps)
    return PhaseNeuron(shape=shape, schedule=schedule, spikes=spikes)


@pytest.mark.parametrize("spikes", [1, 2])
@pytest.mark.parametrize("function", ["identity", "gelu"])
def test_parameters_by_head_are_those_of_its_every_neuron(function: str, spikes: int) -> None:
    """Where neurons of a whole head share their scale, and where each neuron is given its own; stepped as well."""
    shape, scale = (3, 40, 41), np.array([0.3, 0.7, 2.0]).reshape(3, 1, 1)
    v = np.random.default_rng(spikes).normal(size=(2, *shape))
    one, each = (
        float_neuron(1.15, 40, own, np.ones_like(own), spikes, shape, function)
        for own in (scale, np.broadcast_to(scale, shape).copy())
    )
    codes = one.closed_form(batch(v)).values
    assert (codes == each.closed_form(batch(v)).values).all()
    assert (codes[:, 0].numpy() == run(one, graded(v[0], 2), planes=spikes).codes).all()


@pytest.mark.parametrize("spikes", [1, 2, 3])
@pytest.mark.parametrize("base, steps", GRID)
def test_floating_point(base: float, steps: int, spikes: int) -> None:
    rng = np.random.default_rng(steps)
    code = PhaseCode(base, steps)
    scale, unit = np.array([[1.0, 0.5, 3.7, 1e-3]]), np.array([[1.0, 0.25, 1.3, 2.0]])
    pos = scale.T * code.midpoints / unit.T
    rows = [
        rng.normal(0, 1, (40, 4)) * scale / unit,
        np.zeros((1, 4)), -np.zeros((1, 4)), np.full((1, 4), 0.3), -rng.random((4, 4)),
        np.full((1, 4), 1e30), np.full((1, 4), -1e30),
        pos.T, -pos.T, np.nextafter(pos.T, 0), -np.nextafter(pos.T, 0), np.nextafter(pos.T, np.inf),
    ]  # fmt: skip
    v = np.concatenate(rows)
    op = float_neuron(base, steps, scale, unit, spikes, v.shape)
    tables = (pos, np.full_like(pos, -np.inf), -pos, scale.T * code.levels / unit.T)
    check(op, v, tuple(t.tolist() for t in tables))  # type: ignore[arg-type]


def test_exact_ties_at_base_2() -> None:
    """Every level is a power of two, so a tie stays a tie through every subtraction."""
    code = PhaseCode(2.0, 16)
    one = np.ones((1, 1))
    op = float_neuron(2.0, 16, one, one, 2, (17, 1))
    v = np.append(code.midpoints, 0.0)[:, None]
    codes = check(
        op,
        v,
        ([code.midpoints.tolist()], [[-np.inf] * 16], [(-code.midpoints).tolist()], [code.levels.tolist()]),
    )
    assert codes[0, :, 0].tolist() == [*range(1, 17), 0]
    # 3/4 fires for 1 and leaves -1/4, which lies between the midpoints of 1/4 (3/16) and 1/2 (3/8)
    assert codes[1, :, 0].tolist() == [-(k + 3) if k + 3 <= 16 else 0 for k in range(16)] + [0]


@pytest.mark.parametrize("function", ["identity", "relu"])
def test_the_sign_that_a_function_sends(function: str) -> None:
    one = np.ones((1, 1))
    op = float_neuron(1.4, 16, one, one, 1, (1, 5), function)
    codes = run(op, graded(np.array([[-2.0, -0.1, 0.0, 0.1, 2.0]]), 0)).codes[0, 0]
    assert (np.sign(codes) == ([-1, -1, 0, 1, 1] if function == "identity" else [0, 0, 0, 1, 1])).all()


def fixed_neuron(
    rng: np.random.Generator, code: PhaseCode, spikes: int, bits: int, rows: int
) -> tuple[PhaseNeuron, tuple]:
    """Random mantissas, shifts and classes; tables from the definition in Python integers."""
    entries = np.rint(code.midpoints * (2**15 - 1)).astype(np.int64)
    factor = np.array([[1.0], [0.6], [0.3]])
    pos = np.maximum(np.rint(entries * factor), 1).astype(np.int32)  # as discretisation leaves them
    hi, lo = -pos // 2, np.full_like(pos, ALWAYS)
    lo[1] = np.rint(-(2**15) / np.maximum(code.levels, 1e-4)).clip(ALWAYS + 1)  # a band that grows
    hi[2], pos[2, : code.steps // 2] = ALWAYS, NEVER  # a class that never fires -, and + only late
    mantissa = rng.integers(1, 2**16, (1, 4)).astype(np.int32)
    shift = rng.integers(15 + 16 - bits, 30, (1, 4)).astype(np.int32)
    chosen = rng.integers(0, 3, (1, 4)).astype(np.int32)
    level = np.rint(code.levels * (2**15 - 1)).astype(np.int32)
    schedule = FixedSchedule(
        function="identity", scale=np.ones((1, 4)), base=code.base, steps=code.steps, mantissa=mantissa,
        shift=shift,
        scale_class=chosen, pos=pos, lo=lo, hi=hi, level=level,
    )  # fmt: skip

    def row(table: np.ndarray, i: int) -> list[int]:
        kept = (NEVER, ALWAYS)
        return [t if t in kept else toward_zero(int(mantissa[0, i]) * t, int(shift[0, i])) for t in table.tolist()]

    rows_of = [[row(t[chosen[0, i]], i) for i in range(4)] for t in (pos, lo, hi)]
    # no silent neuron fires because its thresholds round to zero
    pos_rows = [[max(t, 1) for t in r] for r in rows_of[0]]
    hi_rows = [[min(t, -1) for t in r] for r in rows_of[2]]
    tables = (pos_rows, rows_of[1], hi_rows, [row(level, i) for i in range(4)])
    return PhaseNeuron(shape=(rows, 4), schedule=schedule, spikes=spikes, state_bits=bits), tables


@pytest.mark.parametrize("spikes", [1, 2, 3])
@pytest.mark.parametrize("bits", [10, 24])
@pytest.mark.parametrize("base, steps", GRID)
def test_fixed_point(base: float, steps: int, bits: int, spikes: int) -> None:
    rng = np.random.default_rng(steps + bits)
    limit = 2 ** (bits - 1) - 1
    op, tables = fixed_neuron(rng, PhaseCode(base, steps), spikes, bits, 120)
    edges = np.array([table[i] for table in tables[:3] for i in range(4)])  # (12, T)
    edges = rng.permutation(np.concatenate([edges, edges - 1, edges + 1]).reshape(-1))[: 60 * 4].clip(-limit, limit)
    v = rng.integers(-limit, limit + 1, (120, 4))
    v[-2:] = [[limit] * 4, [-limit] * 4]
    v[-3] = 0
    v.reshape(-1)[: edges.size] = edges
    check(op, v.astype(np.int32), tables)


@given(seed=st.integers(0, 2**32 - 1), bits=st.sampled_from([8, 10, 16, 24]), steps=st.integers(1, 6))
def test_potentials_saturate_at_every_step(seed: int, bits: int, steps: int) -> None:
    """The order in which currents arrive decides what saturation leaves; the neuron clips after each of
    them.
    """
    rng = np.random.default_rng(seed)
    limit = 2 ** (bits - 1) - 1
    op, _ = fixed_neuron(rng, PhaseCode(1.4, 16), 1, bits, 3)
    parts = [rng.integers(-2 * limit, 2 * limit, (3, 4)) if rng.random() < 0.8 else None for _ in range(steps)]
    v = [0] * 12
    for part in parts:
        if part is not None:
            v = [max(-limit, min(limit, a + b)) for a, b in zip(v, part.reshape(-1).tolist(), strict=True)]
    potentials = np.array(v, np.int32).reshape(1, 3, 4)
    stepped = run(op, currents(parts, 1)).codes
    assert (stepped == op.closed_form(batch(potentials)).values[:, 0].numpy()).all()


def test_a_population_of_one_and_a_window_of_two() -> None:
    one = np.ones((1,))
    op = float_neuron(1.5, 2, one, one, 1, (1,))
    result = run(op, graded(np.array([0.6]), 5))
    assert list(result.messages) == [6] and result.messages[6].dtype == np.int8


def test_float32_potentials() -> None:
    op = float_neuron(1.15, 40, np.full((1, 1), 0.7), np.ones((1, 1)), 1, (40, 1))
    v = (0.7 * op.schedule.code.midpoints * (1 + TIE)).astype(np.float32)[:, None]
    assert op.closed_form(torch.from_numpy(v[None])).values[0, 0, :, 0].tolist() == list(range(1, 41))


CURVED = [
    *(name for name in ACTIVATIONS if name not in LINEAR),
    "leaky_relu:0.1",
    "clamp:-1,6",
    "softshrink:0.5",
    "power:0.75",
]


def curved(y: float, scale: float, levels: list[float], midpoints: list[float], spikes: int) -> list[int]:
    """The definition of several spikes of y = f(v): having sent A, + where y >= s (A + m_k), - where y <= s (A - m_k)."""
    codes, sent = [], 0.0
    for k, midpoint in enumerate(midpoints):
        if len(codes) == spikes:
            break
        if y >= scale * (sent + midpoint) or y <= scale * (sent - midpoint):
            sign = 1 if y >= scale * (sent + midpoint) else -1
            codes.append(sign * (k + 1))
            sent += sign * levels[k]
    return codes + [0] * (spikes - len(codes))


@pytest.mark.parametrize("function", CURVED)
@pytest.mark.parametrize(
    "base, steps, spikes", [(1.15, 40, 2), (1.15, 40, 3), (1.4, 16, 3), (2.0, 4, 2), (2.0, 4, 3), (1.05, 128, 2)]
)
def test_further_spikes_of_curved_functions(function: str, base: float, steps: int, spikes: int) -> None:
    """Tables by what was sent are the condition on f(v) itself; both branches of GELU and SiLU are met."""
    code, activation = PhaseCode(base, steps), activation_of(function)
    scale, unit = np.array([[1.0, 0.25, 8.0]]), np.array([[1.0, 0.5, 2.0]])
    v = np.linspace(-8, 8, 801)[:, None] / unit
    op = float_neuron(base, steps, scale, unit, spikes, v.shape, function)
    closed = op.closed_form(batch(v[None])).values[:, 0].numpy()
    assert (closed == run(op, graded(v, 2), planes=spikes).codes).all()
    levels, midpoints = code.levels.tolist(), code.midpoints.tolist()
    for column, (s, y) in enumerate(zip(scale[0].tolist(), activation.numpy(v * unit).T.tolist(), strict=True)):
        expected = [curved(one, s, levels, midpoints, spikes) for one in y]
        differ = (np.array(expected) != closed[:, :, column].T).any(1)
        assert differ.mean() <= 0.01, "only numbers at a threshold to the last bits"
    assert (closed[0] != 0).any()
    quick = op.closed_form(batch(v[None].astype(np.float32))).values[:, 0].numpy()
    assert (quick != closed).mean() < 0.02, "float32 potentials are rounded"


@pytest.mark.parametrize("function", CURVED)
@pytest.mark.parametrize("spikes", [2, 3])
@pytest.mark.parametrize("bits", [12, 24])
def test_further_spikes_of_curved_functions_fixed(function: str, bits: int, spikes: int) -> None:
    """Thresholds (mantissa * entry) >> shift of the table of what was sent, in Python integers."""
    code, rng = PhaseCode(1.15, 40), np.random.default_rng(bits)
    scales, spare = np.array([1.0, 4.0]), 2.0**11

    def entries(table: np.ndarray) -> np.ndarray:
        rounded = np.rint(np.clip(table * spare, ALWAYS + 1, NEVER - 1))
        return np.where(table == np.inf, NEVER, np.where(table == -np.inf, ALWAYS, rounded)).astype(np.int32)

    pos, lo, hi = (entries(table) for table in root_tables(function, scales, code))
    prefixes, after = further_tables(function, scales, code, spikes)
    after = entries(after)
    mantissa = rng.integers(2**15, 2**16, (1, 4)).astype(np.int32)
    shift = np.full((1, 4), 15 + 11 - (bits - 5), np.int32)
    chosen = np.array([[0, 1, 0, 1]], np.int32)
    schedule = FixedSchedule(
        function=function, scale=scales[chosen], base=code.base, steps=code.steps, mantissa=mantissa, shift=shift,
        scale_class=chosen, pos=pos, lo=lo, hi=hi, level=pos[0],
        prefixes=prefixes, after=after,
    )  # fmt: skip
    op = PhaseNeuron(shape=(60, 4), schedule=schedule, spikes=spikes, state_bits=bits)
    limit = 2 ** (bits - 1) - 1
    v = rng.integers(-limit, limit + 1, op.shape) // rng.choice([1, 4, 16], op.shape)
    closed = op.closed_form(batch(v[None].astype(np.int32))).values[:, 0].numpy()
    assert (closed == run(op, graded(v, 2), planes=spikes).codes).all()
    assert (closed[1] != 0).any()
    rows = [t.tolist() for t in schedule.tables[:3]]
    row_of = {tuple(code for code in prefix if code): n for n, prefix in enumerate(prefixes.tolist())}
    for (row, i), x in np.ndenumerate(v.astype(object)):
        first = fires(x, *(t[i] for t in rows), [0] * code.steps, 1)[0]
        sent = [first] if first else []
        for k in range(abs(first), code.steps):
            table = row_of.get(tuple(sent), 0)
            if table == 0 or len(sent) == spikes:
                break
            above, below, low, high = (
                t if t in (NEVER, ALWAYS) else toward_zero(int(mantissa[0, i]) * t, int(shift[0, i]))
                for t in after[chosen[0, i], table, :, k].tolist()
            )
            if x >= above or x <= below or low <= x <= high:
                sent.append(k + 1 if x >= above or x <= below else -(k + 1))
        expected = sent + [0] * (spikes - len(sent))
        assert closed[:, row, i].tolist() == expected, (row, i, x)
