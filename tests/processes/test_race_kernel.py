"""One-spike races are counted instead of searched: the same code wherever a gap lies, on a threshold or beside it."""

from __future__ import annotations

import numpy as np
import pytest

from processes.kernels.race import fire_ramp


def raced(gaps: np.ndarray, ramp: np.ndarray, accuracy: float) -> np.ndarray:
    """Codes by the kernel, of neurons whose potentials are ``gaps`` below a winner of 0, each in a row beside it."""
    v = np.zeros((1, 1, len(gaps), 2), gaps.dtype)
    v[0, 0, :, 1] = -gaps
    ends = np.concatenate([[-np.inf], ramp, [np.inf]]).astype(gaps.dtype)[None]
    codes = np.zeros(v.shape, np.int8)[None]
    fire_ramp(v, ends, 0, accuracy, codes)
    return codes[0, 0, 0, :, 1].astype(int)


def defined(gaps: np.ndarray, ramp: np.ndarray) -> np.ndarray:
    """The first step whose threshold the gap does not exceed, counted from 1; 0 behind the last."""
    found = np.searchsorted(ramp.astype(gaps.dtype), gaps)
    return np.where(found < len(ramp), found + 1, 0)


def ramp_of(steps: int, start: float, slope: float, wobble: float) -> np.ndarray:
    """Thresholds that rise evenly but for ``wobble`` of a step, as those that rounding has moved."""
    rng = np.random.default_rng(steps)
    return start + slope * (np.arange(steps) + wobble * rng.uniform(-1, 1, steps))


def around(ramp: np.ndarray, dtype: type) -> np.ndarray:
    """Every threshold, the numbers next to it, and gaps of everywhere."""
    at = ramp.astype(dtype)
    beside = [np.nextafter(at, dtype(np.inf)), np.nextafter(at, dtype(-np.inf))]
    inside = np.random.default_rng(0).uniform(0, 1.3 * ramp[-1], 2000).astype(dtype)
    gaps = np.concatenate([at, *beside, inside, [0, np.inf]]).astype(dtype)
    return gaps[gaps >= 0]


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("steps", [1, 2, 16, 40, 127])
@pytest.mark.parametrize(
    ("start", "slope", "wobble"), [(0.05, 0.14, 0), (7.0, 3e4, 0), (900.0, 0.5, 0), (3.0, 2.0, 0.3)]
)
def test_codes_are_those_of_the_definition(dtype: type, steps: int, start: float, slope: float, wobble: float) -> None:
    ramp = ramp_of(steps, start, slope, wobble)
    gaps = around(ramp, dtype)
    assert np.array_equal(raced(gaps, ramp, float(np.finfo(dtype).eps)), defined(gaps, ramp))


def test_counting_alone_would_miss_thresholds() -> None:
    """Negative control: without its doubt, what lies on thresholds that rounding has moved gets other codes."""
    ramp = ramp_of(40, 3.0, 2.0, 0.3)
    gaps = around(ramp, np.float32)
    assert not np.array_equal(raced(gaps, ramp, -1.0), defined(gaps, ramp))
