"""Errors of softmax by SI-exp and SI-norm against the number of steps K: Figure 7 of the SIT-conversion paper.

Softmax errors are mean square errors over ``ROWS`` rows of ``KEYS`` uniformly random inputs, of the floating-point
closed form, with K steps of SI-exp and K digits of SI-norm.
"""

from __future__ import annotations

import numpy as np
import torch

from deploy.schema import SoftmaxError
from processes.si_exp import SiExp
from processes.si_exp.calibration import PUBLISHED, REACH, least_steps, with_tables
from processes.si_exp.table import load_table
from processes.si_norm import SiNorm
from processes.si_norm.calibration import listening

KEYS, ROWS = 64, 1000
STEPS = range(4, 17)
LEAST_STEPS = least_steps(REACH)


def softmax_errors(seed: int = 0) -> list[SoftmaxError]:
    """Errors for every K in ``STEPS``, for which the package has fitted tables; ``seed``: of the random inputs."""
    return [_errors(steps, np.random.default_rng(seed)) for steps in STEPS]


def _errors(steps: int, rng: np.random.Generator) -> SoftmaxError:
    points, far = rng.uniform(-1, 1, 10_000), rng.uniform(-12, 0, 10_000)
    near = exponentials(points - 1, steps, reach=2.0) * np.e  # points are shifted by their upper bound 1
    narrow, wide = (rng.uniform(-reach, reach, (ROWS, KEYS)) for reach in (1, 10))
    reaches = steps >= LEAST_STEPS
    return SoftmaxError(
        steps=steps,
        exp_published=_root_mean_square(load_table("exp", steps, *PUBLISHED)(points), np.exp(points)),
        exp_extended=_root_mean_square(near, np.exp(points)),
        relative=float(np.abs(exponentials(far, steps) / np.exp(far) - 1).max()) if reaches else None,
        published=mean_square(narrow, steps, extended=False),
        narrow=mean_square(narrow, steps) if reaches else None,
        wide=mean_square(wide, steps) if reaches else None,
    )


def _root_mean_square(found: np.ndarray, meant: np.ndarray) -> float:
    return float(np.sqrt(np.mean((found - meant) ** 2)))


def neurons(shape: tuple[int, ...], steps: int, extended: bool = True, reach: float = REACH) -> tuple[SiExp, SiNorm]:
    """SI-exp and SI-norm populations for rows of ``shape``, in real units; ``reach``: down to exp(-reach)."""
    exponential = SiExp.uncoded(shape, gain=np.ones(1), allowed=None, clocked=extended)
    exponential = with_tables(exponential, np.ones(1), steps, extended, reach)
    return exponential, listening(SiNorm.uncoded(shape), exponential, steps)


def exponentials(x: np.ndarray, steps: int, reach: float = REACH) -> np.ndarray:
    """exp(x) for x (n,) <= 0 by extended SI-exp; each x has a row of its own with a 0, which is the row's largest."""
    rows = np.stack([x, np.zeros_like(x)], 1)
    exponential, _ = neurons((1, len(x), 2), steps, True, reach)
    return exponential.decoded(exponential.closed_form(torch.from_numpy(rows[None, None])).values)[0, 0, :, 0].numpy()


def mean_square(rows: np.ndarray, steps: int, extended: bool = True) -> float:
    """Mean square error of softmax by SI-exp and SI-norm against exact softmax, for rows (n, keys)."""
    exponential, norm = neurons((1, *rows.shape), steps, extended)
    inputs = torch.from_numpy(rows[None, None])
    shares = norm.decoded(norm.closed_form(exponential.closed_form(inputs).values).values)
    return float((shares - torch.softmax(inputs, -1)).square().mean())
