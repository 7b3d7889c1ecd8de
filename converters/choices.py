"""Codes of firing nodes as they were chosen, and what they cost."""

from __future__ import annotations

from dataclasses import dataclass

from converters.sensitivity import SiteCode
from processes.phase_code import PhaseCode


@dataclass(frozen=True)
class Choice:
    """What was chosen for a node.

    error: squared output error that the node makes, summed over the samples; plain_error: that of the plain code, with
    the common base and the calibrated scale. spikes: per sample.
    """

    site: SiteCode
    error: float
    spikes: float
    plain_error: float


@dataclass(frozen=True)
class Tuning:
    """Choices by node; ``base`` and ``steps`` are those of the plain codes."""

    base: float
    steps: int
    choices: dict[str, Choice]

    @property
    def code(self) -> PhaseCode:
        """The plain code."""
        return PhaseCode(self.base, self.steps)

    @property
    def sites(self) -> dict[str, SiteCode]:
        """The chosen codes."""
        return {name: choice.site for name, choice in self.choices.items()}
