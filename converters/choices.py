"""Codes of firing nodes as they were chosen, and what they cost."""

from __future__ import annotations

from dataclasses import dataclass

from converters.sensitivity import SiteCode
from processes.phase_code import PhaseCode


@dataclass(frozen=True)
class Choice:
    """The code that was chosen for a firing node, and what it costs.

    Attributes:
        site: the code.
        error: squared output error that the node's coding makes, summed over the samples that judged it.
        spikes: spikes of the whole node, per sample.
        plain_error: the squared output error with the plain code: the common base and the calibrated scale.
    """

    site: SiteCode
    error: float
    spikes: float
    plain_error: float


@dataclass(frozen=True)
class Tuning:
    """The codes of all firing nodes.

    Attributes:
        base, steps: B and T of the plain code, which all nodes have in common.
        choices: by firing node.
    """

    base: float
    steps: int
    choices: dict[str, Choice]

    @property
    def code(self) -> PhaseCode:
        """The plain code, of the common B and T."""
        return PhaseCode(self.base, self.steps)

    @property
    def sites(self) -> dict[str, SiteCode]:
        """The chosen codes, by firing node."""
        return {name: choice.site for name, choice in self.choices.items()}
