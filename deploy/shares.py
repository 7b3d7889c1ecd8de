"""Shares of samples with what so few samples can tell: accuracy and agreement with their 95 % interval."""

from __future__ import annotations

import math
from typing import NamedTuple

Z = 1.959963984540054
"""Standard deviations of a normal distribution on either side of the mean that hold 95 % of it."""


class Share(NamedTuple):
    """A share of ``samples`` that were counted, in [0, 1]."""

    value: float
    samples: int

    @property
    def interval(self) -> tuple[float, float]:
        """Wilson's 95 % interval, which stays inside [0, 1] and is wide for few samples, at 0 and 1 too."""
        n, p = self.samples, self.value
        middle = (p + Z * Z / (2 * n)) / (1 + Z * Z / n)
        reach = Z / (1 + Z * Z / n) * math.sqrt(p * (1 - p) / n + Z * Z / (4 * n * n))
        return max(0.0, middle - reach), min(1.0, middle + reach)

    @property
    def sure(self) -> str:
        """The interval and the samples: 34.24 to 100.00 %, n = 2."""
        low, high = self.interval
        return f"{100 * low:.2f} to {100 * high:.2f} %, n = {self.samples:,}"

    def __str__(self) -> str:
        return f"{100 * self.value:.2f} % ({self.sure})"


def share_of(value: float | None, samples: int) -> Share | None:
    """The share, if there is one of at least one sample."""
    return None if value is None or samples < 1 else Share(value, samples)
