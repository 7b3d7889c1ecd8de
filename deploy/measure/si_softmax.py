"""How good softmax by SI-exp and SI-norm is, against the number of steps: Figure 7 of the SIT-conversion paper.

Rows of ``KEYS`` inputs, uniform and random; errors are of softmax weights, over all of them, in the floating-point closed
form, with as many digits of SI-norm as SI-exp takes fitted steps.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch

from converters import sit
from processes.errors import DeployError
from processes.si_exp import SiExp
from processes.si_exp.table import load_table
from processes.si_norm import SiNorm

KEYS, ROWS = 64, 1000
STEPS = range(4, 17)


@dataclass(frozen=True)
class SoftmaxError:
    """Of K = ``steps``. exp_published, exp_extended: root mean square error of SI-exp on random points of [-1, 1], as
    published and with range extension; relative: largest relative error of the extended one on [-12, 0]. narrow, wide: mean
    square error of softmax, extended, on rows in [-1, 1] and in [-10, 10]; published: as published, on rows in [-1, 1].
    """

    steps: int
    exp_published: float
    exp_extended: float
    relative: float
    published: float
    narrow: float
    wide: float


def softmax_errors(seed: int = 0) -> list[SoftmaxError]:
    """One entry for every K of which there are shipped tables."""
    found: list[SoftmaxError] = []
    for steps in STEPS:
        try:
            found.append(_errors(steps, np.random.default_rng(seed)))
        except DeployError:  # no table of this K
            continue
    return found


def _errors(steps: int, rng: np.random.Generator) -> SoftmaxError:
    points = rng.uniform(-1, 1, 10_000)
    published = load_table("exp", steps, *sit.PUBLISHED)
    far = rng.uniform(-12, 0, 10_000)
    relative = exponentials(far, steps) / np.exp(far) - 1
    shifted = exponentials(points - 1, steps) * np.e  # the row's largest is taken off first
    narrow, wide = (rng.uniform(-reach, reach, (ROWS, KEYS)) for reach in (1, 10))
    return SoftmaxError(
        steps,
        exp_published=float(np.sqrt(np.mean((published(points) - np.exp(points)) ** 2))),
        exp_extended=float(np.sqrt(np.mean((shifted - np.exp(points)) ** 2))),
        relative=float(np.abs(relative).max()),
        published=mean_square(narrow, steps, extended=False),
        narrow=mean_square(narrow, steps),
        wide=mean_square(wide, steps),
    )


def neurons(shape: tuple[int, ...], steps: int, extended: bool = True) -> tuple[SiExp, SiNorm]:
    """Populations for rows of this shape, in real units."""
    one = np.ones((1, 1))
    exponential = SiExp(shape=shape, threshold=one, reset=one, output=one, gain=np.ones(1))
    sit.fold_exp(exponential, np.ones(1), steps, extended)
    norm = SiNorm(shape=shape, output=one, digits=0, steps=steps, scale=np.ones((1,) * len(shape)))
    sit.fold_norm(norm, exponential, steps)
    return exponential, norm


def exponentials(x: np.ndarray, steps: int) -> np.ndarray:
    """exp(x) of x <= 0 by extended SI-exp, each in a row of its own beside a 0."""
    rows = np.stack([x, np.zeros_like(x)], 1)
    exponential, _ = neurons((1, len(x), 2), steps)
    return exponential.decoded(exponential.closed_form(torch.from_numpy(rows[None, None])))[0, 0, :, 0].numpy()


def mean_square(rows: np.ndarray, steps: int, extended: bool = True) -> float:
    """Of softmax weights by spikes against softmax."""
    exponential, norm = neurons((1, *rows.shape), steps, extended)
    inputs = torch.from_numpy(rows[None, None])
    shares = norm.decoded(norm.closed_form(exponential.closed_form(inputs)))
    return float((shares - torch.softmax(inputs, -1)).square().mean())
