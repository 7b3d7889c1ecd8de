"""Codebooks decide nearly everything themselves, and nothing that the definition would decide otherwise."""

from __future__ import annotations

import numpy as np
import pytest

from processes.codebook import compile_codebook, intervals, linear_intervals
from processes.kernels.fire import fire_linear
from processes.phase_code import PhaseCode, code_dtype
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


def test_a_neuron_that_never_fires() -> None:
    never = np.array([np.inf, -np.inf, np.inf, -np.inf])[:, None].repeat(4, 1)
    silent = intervals(lambda sent, _: np.stack([never] * len(sent)), 4, 2)
    assert len(silent.ends) == 0 and silent.codes.tolist() == [[0], [0]]
    book = compile_codebook([silent], 4, 0.0)
    assert not book.ends.any() and np.isinf(book.at).all()
