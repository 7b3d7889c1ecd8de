"""Shares of samples, such as accuracy and agreement, with their 95 % confidence interval."""

from __future__ import annotations

import math
from typing import NamedTuple

Z = 1.959963984540054
"""Half-width, in standard deviations, of the interval that holds 95 % of a normal distribution."""


class Share(NamedTuple):
    """A share in [0, 1], counted on ``samples`` samples."""

    value: float
    samples: int

    @property
    def interval(self) -> tuple[float, float]:
        """Wilson's 95 % score interval, which stays inside [0, 1] and is not empty at shares of 0 and 1."""
        n, p = self.samples, self.value
        middle = (p + Z * Z / (2 * n)) / (1 + Z * Z / n)
        reach = Z / (1 + Z * Z / n) * math.sqrt(p * (1 - p) / n + Z * Z / (4 * n * n))
        return max(0.0, middle - reach), min(1.0, middle + reach)

    @property
    def sure(self) -> str:
        """The interval and the number of samples as text: 34.24 to 100.00 %, n = 2."""
        low, high = self.interval
        return f"{100 * low:.2f} to {100 * high:.2f} %, n = {self.samples:,}"

    def __str__(self) -> str:
        return f"{100 * self.value:.2f} % ({self.sure})"


def share_of(value: float | None, samples: int) -> Share | None:
    """A Share, or None if ``value`` is None or there are no samples."""
    return None if value is None or samples < 1 else Share(value, samples)
