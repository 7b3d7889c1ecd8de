"""Codebooks decide nearly everything themselves, and nothing that the definition would decide otherwise."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from processes.backends.tables import FallingTables, FurtherSpikes, PhaseTables, RaceFurther, RaceTables
from processes.codebook import compile_codebook, intervals, linear_intervals
from processes.kernels.fire import fire_linear
from processes.phase_code import PhaseCode, code_dtype
from processes.phase_neuron import PhaseNeuron
from processes.phase_neuron.schedule import FloatSchedule
from tests.processes.reference import GRID
from tests.tolerances import UNSURE


def by_lookup(code: PhaseCode, spikes: int, x: np.ndarray) -> np.ndarray:
    """Codes (spikes, n) of numbers in units of the scale, none where a lookup is unsure."""
    m = code.midpoints
    kind = linear_intervals(np.stack([m, np.full_like(m, -np.inf), -m]), m, code.levels, spikes)
    book = compile_codebook([kind], code.steps, 0.0)
    never = np.full((1, code.steps), np.inf)
    codes = np.full((spikes, x.size), 99, code_dtype(code.steps))
    one, begin = np.ones((1, x.size), np.float32), np.zeros((1, x.size), np.uint32)
    fire_linear(x, (1, 1, x.size), one, begin, np.float32(0), book.tables, (never, never, -never, never), 0, codes)
    return codes


def by_definition(code: PhaseCode, spikes: int, x: float) -> list[int]:
    """The first k with what is left at least m_k, again and again."""
    sent: list[int] = []
    for k in range(code.steps):
        if len(sent) < spikes and abs(x) >= code.midpoints[k]:
            sent.append((k + 1) * (1 if x > 0 else -1))
            x -= np.sign(x) * code.levels[k]
    return sent + [0] * (spikes - len(sent))


@pytest.mark.parametrize("spikes", [1, 2, 3])
@pytest.mark.parametrize("base, steps", [point for point in GRID if point[1] <= 40])
def test_the_definition_is_hardly_ever_asked(base: float, steps: int, spikes: int) -> None:
    """Its tables send nothing here, so whatever fires was looked up; what should fire and does not was unsure."""
    rng, code = np.random.default_rng(steps), PhaseCode(base, steps)
    x = rng.normal(0, 0.4, 4000).astype(np.float32)
    found = by_lookup(code, spikes, x).T.tolist()
    wanted = [by_definition(code, spikes, float(number)) for number in x]
    silent = [0] * spikes
    asked = [own != right for own, right in zip(found, wanted, strict=True)]
    assert all(own in (right, silent) for own, right in zip(found, wanted, strict=True))
    assert np.mean(asked) <= UNSURE[spikes]


def test_narrow_pieces_join_and_words_hold_what_they_have_lanes_for() -> None:
    """Three spikes in 128 steps would make millions of intervals; of twenty binary digits eight fit into a word."""
    code, binary = PhaseCode(1.4, 128), PhaseCode(2.0, 20)
    m, b = code.midpoints, binary.midpoints
    assert len(linear_intervals(np.stack([m, np.full_like(m, -np.inf), -m]), m, code.levels, 3).ends) < 100_000
    digits = linear_intervals(np.stack([b, np.full_like(b, -np.inf), -b]), b, binary.levels, 20)
    assert len(digits.codes) == 8
    x = np.array([2.0 - 2.0**-19, 2.9 * 2.0**-19], np.float32)  # every level; and the last few
    codes = by_lookup(binary, 20, x)
    assert codes[:, 0].tolist() == [0] * 20, "more spikes than lanes: left to the definition"
    assert codes[:, 1].tolist() == by_definition(binary, 20, float(x[1]))


@pytest.mark.parametrize("spikes", [2, 3])
def test_quick_buckets_are_those_whose_numbers_all_fire_alike(spikes: int) -> None:
    """The first and the last number of a bucket fire what its entry says."""
    code = PhaseCode(1.15, 40)
    m = code.midpoints
    book = compile_codebook(
        [linear_intervals(np.stack([m, np.full_like(m, -np.inf), -m]), m, code.levels, spikes)], 40, 0.0
    )
    words = book.quick[1:].reshape(2, -1)
    lanes = np.stack([(words >> words.dtype.type(8 * p)).astype(np.uint8).view(np.int8) for p in range(spikes)], -1)
    shift = int(book.shift) - int(book.finer)
    begins = (int(book.first) << int(book.finer)) + np.arange(words.shape[1] + 1, dtype=np.uint32)
    edges = (begins << np.uint32(shift)).view(np.float32)
    sure = lanes[:, :, 0] != -128
    assert sure.mean() > 0.9
    rng = np.random.default_rng(spikes)
    for side, bucket in zip(*sure.nonzero(), strict=True):
        if rng.random() < 0.03 and 0 < bucket < len(edges) - 2:  # the outermost hold whatever lies beyond
            sign = 1 - 2 * int(side)
            for edge in (edges[bucket], np.nextafter(edges[bucket + 1], np.float32(0))):
                assert by_definition(code, spikes, sign * float(edge)) == lanes[side, bucket].tolist()


def test_what_quick_buckets_say_is_what_fires() -> None:
    """A table moved by a level's width fires one step off."""
    code, x = PhaseCode(1.15, 40), np.linspace(0.1, 0.9, 500, dtype=np.float32)
    m = code.midpoints
    book = compile_codebook([linear_intervals(np.stack([m, np.full_like(m, -np.inf), -m]), m, code.levels, 2)], 40, 0.0)
    tables = (m[None], np.full((1, 40), -np.inf), -m[None], code.levels[None])
    one, begin = np.ones((1, x.size), np.float32), np.zeros((1, x.size), np.uint32)
    wanted = [by_definition(code, 2, float(number)) for number in x]
    level = 2 ** (23 - int(book.shift) + int(book.finer)) // 5  # a fifth of an octave
    for moved, right in ((book, True), (replace(book, quick=np.roll(book.quick, level)), False)):
        codes = np.empty((2, x.size), np.int8)
        fire_linear(x, (1, 1, x.size), one, begin, np.float32(0), moved.tables, tables, 0, codes)
        assert (codes.T.tolist() == wanted) == right


def test_what_is_no_number_never_fires() -> None:
    """It belongs to no bucket, though its bits look like those of the largest."""
    code, x = PhaseCode(1.15, 40), np.array([np.nan, -np.nan, np.inf, 3.0], np.float32)
    assert by_lookup(code, 1, x)[0].tolist() == [0, 0, 1, 1]


def test_a_neuron_that_never_fires() -> None:
    never = np.array([np.inf, -np.inf, np.inf, -np.inf])[:, None].repeat(4, 1)
    silent = intervals(lambda sent, _: np.stack([never] * len(sent)), 4, 2)
    assert len(silent.ends) == 0 and silent.codes.tolist() == [[0], [0]]
    book = compile_codebook([silent], 4, 0.0)
    assert not book.ends.any() and np.isinf(book.at).all()


@pytest.mark.parametrize("spikes", [1, 2, 3])
def test_the_definition_finds_the_first_step_from_wherever_its_search_begins(spikes: int) -> None:
    """Rounding that nothing is sure against, and a codebook whose codes are shuffled: codes are those of the definition."""
    rng, code = np.random.default_rng(spikes), PhaseCode(1.15, 40)
    m = code.midpoints
    x = (rng.normal(0, 1, 600) * rng.choice([1, 0.1, 0.01], 600)).astype(np.float32)
    book = compile_codebook(
        [linear_intervals(np.stack([m, np.full_like(m, -np.inf), -m]), m, code.levels, spikes)], 40, 0.0
    )
    shuffled = replace(book, ends=rng.permutation(book.ends), quick=np.full_like(book.quick, book.quick[0]))
    tables = (m[None], np.full((1, 40), -np.inf), -m[None], code.levels[None])
    codes = np.empty((spikes, x.size), code_dtype(40))
    ones, begin = np.ones((1, x.size), np.float32), np.zeros((1, x.size), np.uint32)
    fire_linear(x, (1, 1, x.size), ones, begin, np.float32(np.inf), shuffled.tables, tables, 0, codes)
    assert codes.T.tolist() == [by_definition(code, spikes, float(number)) for number in x]


def test_thresholds_that_rise_within_a_window_are_refused() -> None:
    """Where the search begins matters once a threshold that has been reached is not reached at the next step."""
    code = PhaseCode(1.4, 8)
    one = np.ones((1, 1))
    schedule = FloatSchedule(function="identity", scale=one, unit=one, base=code.base, steps=code.steps)
    neuron = PhaseNeuron(shape=(1, 4), schedule=schedule)
    lookup, (pos, lo, hi, subtract) = neuron._tables.lookup, neuron._tables.thresholds
    rising = pos[:, ::-1].copy()
    for thresholds in ((rising, lo, hi, subtract), (pos, lo, hi[:, ::-1].copy(), subtract)):
        with pytest.raises(ValueError, match="thresholds rise within a window"):
            PhaseTables((1, 1, 4), lookup, thresholds, None)
    rest = np.stack([code.levels, code.midpoints])
    with pytest.raises(ValueError, match="thresholds rise within a window"):
        FallingTables((1, 1, 4), lookup, False, rising, None, 0, 2**62, rest, np.ones(1), None)
    right, ramp = np.stack([pos, -pos, lo, hi], 1)[None], -pos
    table, one = np.zeros((1, 17), np.int32), np.ones(1)

    def further(tables: np.ndarray) -> PhaseTables:
        return PhaseTables((1, 1, 4), lookup, (pos, lo, hi, subtract), FurtherSpikes(tables, table, one, one, None))

    def race(ramp: np.ndarray, after: np.ndarray) -> RaceTables:
        return RaceTables((1, 1, 4), ramp, RaceFurther(lookup, after, table))

    after = np.stack([ramp, pos], 1)[None]
    assert further(right).further is not None and race(ramp, after).further is not None
    for row in (0, 1, 3):
        wrong = right.copy()
        wrong[:, :, row] = wrong[:, :, row, ::-1]
        with pytest.raises(ValueError, match="thresholds rise within a window"):
            further(wrong)
    for arguments in ((pos, after), (ramp, after[:, :, ::-1])):
        with pytest.raises(ValueError, match="thresholds rise within a window"):
            race(*arguments)
