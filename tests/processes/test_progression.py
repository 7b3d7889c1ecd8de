"""One-spike codes by a logarithm are those of the definition wherever a potential lies, on a threshold or beside it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from processes.codebook import Codebook, compile_codebook, linear_intervals
from processes.kernels.fire import fire_linear
from processes.phase_code import PhaseCode, code_dtype
from processes.progression import NO_PROGRESSION, progression_of

GRID = [(1.15, 40), (1.4, 16), (2.0, 8), (1.02, 120), (1.03, 130), (1.9, 2)]


def tables_of(code: PhaseCode, first: int, mirrored: bool) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(pos, lo, hi), (T,) each: real thresholds, or integers that begin at ``first``; or of neurons that send no minus."""
    pos = np.maximum(np.rint(first * code.midpoints), 1) if first else code.midpoints
    never = np.full_like(pos, np.inf)
    return (pos, -never, -pos) if mirrored else (pos, never, -never)


def book_of(code: PhaseCode, tables: tuple[np.ndarray, ...], margin: float = 0.0) -> Codebook:
    """The codebook of neurons with one spike."""
    return compile_codebook([linear_intervals(np.stack(tables), tables[0], tables[0], 1)], code.steps, margin)


def around(pos: np.ndarray) -> np.ndarray:
    """Every threshold and the float32 next to it, numbers of everywhere, and those that are hard on logarithms."""
    at = pos.astype(np.float32)
    inside = pos[-1] * (1.3 * pos[0] / pos[-1]) ** np.random.default_rng(0).uniform(-0.2, 1.2, 3000)
    odd = [0.0, 1e-45, 1e-38, 3e38, np.inf, np.nan]
    sizes = np.concatenate([at, np.nextafter(at, np.float32(0)), np.nextafter(at, np.float32(np.inf)), inside, odd])
    return np.concatenate([sizes, -sizes]).astype(np.float32)


def fired(book: Codebook, tables: tuple[np.ndarray, ...], x: np.ndarray, factor: float = 1.0) -> np.ndarray:
    """Codes by the kernel of potentials x that are in units of the thresholds divided by ``factor``."""
    steps = len(tables[0])
    codes = np.full((1, x.size), 99, code_dtype(steps))
    scale, begin = np.full((1, 1), factor, np.float32), np.zeros((1, 1), np.uint32)
    own = *(table[None] / float(np.float32(factor)) for table in tables), np.zeros((1, steps))
    fire_linear(x, (1, x.size, 1), scale, begin, np.float32(0), book.tables, own, 0, codes)
    return codes[0]


def defined(tables: tuple[np.ndarray, ...], x: np.ndarray, factor: float = 1.0) -> np.ndarray:
    """The first step with x >= pos or lo <= x <= hi, from 1, with its sign; 0 without one."""
    pos, lo, hi = (table[:, None] / float(np.float32(factor)) for table in tables)
    number = x.astype(float)
    plus, minus = number >= pos, (lo <= number) & (number <= hi)
    return np.where((plus | minus).any(0), ((plus | minus).argmax(0) + 1) * np.where(plus.any(0), 1, -1), 0)


@pytest.mark.parametrize("mirrored", [True, False])
@pytest.mark.parametrize("first", [0, 2**15, 2**22])
@pytest.mark.parametrize("base, steps", GRID)
def test_codes_are_those_of_the_definition(base: float, steps: int, first: int, mirrored: bool) -> None:
    code = PhaseCode(base, steps)
    tables = tables_of(code, first, mirrored)
    book, x = book_of(code, tables), around(tables[0])
    assert book.progression.steps == steps and (book.progression.lowest < 0) == mirrored
    assert np.array_equal(fired(book, tables, x), defined(tables, x))


@given(st.floats(1.01, 2.0), st.integers(2, 100), st.integers(10, 24), st.floats(1e-3, 1e3), st.booleans())
def test_codes_of_any_base_steps_and_factor(base: float, steps: int, bits: int, factor: float, real: bool) -> None:
    """Thresholds that merge or lie too far beside a progression are looked up, which gives the same codes."""
    code = PhaseCode(base, steps)
    tables = tables_of(code, 0 if real else 2**bits, True)
    x = (around(tables[0]).astype(float) / factor).clip(-3e38, 3e38).astype(np.float32)
    book = book_of(code, tables)
    assert book.progression.steps == steps or not real
    assert np.array_equal(fired(book, tables, x, factor), defined(tables, x, factor))


@pytest.mark.parametrize("first", [0, 2**15])
def test_counting_alone_would_miss_thresholds(first: int) -> None:
    """Negative control: without its doubt, what lies on thresholds gets other codes."""
    code = PhaseCode(1.15, 40)
    tables = tables_of(code, first, True)
    book, x = book_of(code, tables), around(tables[0])
    rash = replace(book, progression=book.progression._replace(doubt=0.0, slack=-1e9))
    assert not np.array_equal(fired(rash, tables, x), defined(tables, x))


def test_a_progression_of_another_ratio_fires_at_other_steps() -> None:
    """Negative control: what is counted is what fires."""
    code = PhaseCode(1.15, 40)
    tables = tables_of(code, 0, True)
    book, x = book_of(code, tables), around(tables[0])
    wrong = replace(book, progression=book.progression._replace(slope=1.1 * book.progression.slope))
    assert not np.array_equal(fired(wrong, tables, x), defined(tables, x))


def test_potentials_that_are_off_by_more_than_the_margin_are_left_to_the_definition() -> None:
    """Tables that never fire stand for the definition: all that still fires was counted, and was sure to."""
    code, never = PhaseCode(1.15, 40), np.full((1, 40), np.inf)
    tables = tables_of(code, 0, True)
    book, x = book_of(code, tables, 1e-4), around(tables[0])
    x = x[np.isfinite(x)]
    ones, begin = np.ones((1, 1), np.float32), np.zeros((1, 1), np.uint32)

    def counted(units: float) -> np.ndarray:
        codes = np.empty((1, x.size), np.int8)
        silent = (never, never, -never, never)
        fire_linear(x, (1, x.size, 1), ones, begin, np.float32(units), book.tables, silent, 0, codes)
        return codes[0]

    loud = defined(tables, x) != 0
    assert not counted(2e-4).any()
    for units in (0.0, 5e-5):
        codes = counted(units)
        assert (codes != 0).sum() > 0.5 * loud.sum()
        moved = [defined(tables, (x.astype(float) + off).astype(np.float32)) for off in (-units, units)]
        assert all(np.array_equal(codes[codes != 0], other[codes != 0]) for other in moved)


def test_what_is_no_progression_is_looked_up() -> None:
    code = PhaseCode(1.15, 40)
    ends = code.midpoints[::-1]
    right = np.array([0, *range(40, 0, -1)])
    assert progression_of(ends, right, ends, ends, 40, 2.0**-20.5).steps == 40
    bent = ends * np.linspace(1, 1.3, 40)
    for other, codes, steps in (
        (bent, right, 40),
        (ends, np.roll(right, 1), 40),
        (ends[1:], right[1:], 40),
        (ends, right, 41),
    ):
        assert progression_of(other, codes, other, other, steps, 2.0**-20.5) == NO_PROGRESSION
    tiny = PhaseCode(2.0, 128)
    assert book_of(tiny, tables_of(tiny, 0, True)).progression == NO_PROGRESSION, "float32 loses bits below 2^-126"
    wide = ends * 1.05
    assert progression_of(ends, right, ends, wide, 40, 2.0**-20.5) == NO_PROGRESSION, "nothing would be sure"
