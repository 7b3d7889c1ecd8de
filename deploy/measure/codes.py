"""The chosen codes of a conversion, for its report."""

from __future__ import annotations

import numpy as np

from converters.choices import Tuning
from deploy.schema import Code


def codes(tuning: Tuning) -> tuple[Code, ...]:
    """By firing node: its code, and its share of the outputs' squared error with the plain and with the chosen code.

    ``error_before`` and ``error_after`` are fractions of the squared error that all nodes together were expected to
    make with the plain code (one base for all, scales at the calibrated maximum). ``latest`` is present if second
    spikes end before the window does: the step after which a feature sends none; smallest, median and largest.
    """
    total = sum(choice.plain_error for choice in tuning.choices.values()) or 1.0
    return tuple(
        Code(
            name=name, base=choice.site.base, spikes=choice.site.spikes, scale=choice.site.scale,
            error_before=choice.plain_error / total, error_after=choice.error / total, spikes_per_sample=choice.spikes,
            timesteps=choice.site.steps, latest=None if choice.site.latest is None else _spread(choice.site.latest),
        )
        for name, choice in tuning.choices.items()
    )  # fmt: skip


def _spread(steps: tuple[int, ...]) -> tuple[int, int, int]:
    """Smallest, median and largest of the steps."""
    least, median, largest = np.percentile(steps, (0, 50, 100), method="nearest").astype(int).tolist()
    return least, median, largest
