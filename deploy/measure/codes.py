"""How the codes of a conversion were chosen, as numbers for the report."""

from __future__ import annotations

from typing import Any

from converters.sites import Tuning


def codes(tuning: Tuning) -> list[dict[str, Any]]:
    """Per firing node: its code, and its part of the outputs' squared error before and after it was chosen.

    ``error_before`` and ``error_after`` are fractions of what all nodes together were expected to make with the plain
    code (one base for all, scales at the calibrated maximum).
    """
    total = sum(choice.plain_error for choice in tuning.choices.values()) or 1.0
    return [
        {
            "name": name, "base": choice.site.base, "spikes": choice.site.spikes, "scale": choice.site.scale,
            "error_before": choice.plain_error / total, "error_after": choice.error / total,
            "spikes_per_sample": choice.spikes,
        }
        for name, choice in tuning.choices.items()
    ]  # fmt: skip
