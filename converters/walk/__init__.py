"""A walk over the models of timm and transformers: which of them lower, what blocks the others, and whether it is right."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any, Literal

import torch

State = Literal["accepted", "refused", "failed", "left out"]
STATES: tuple[State, ...] = ("accepted", "refused", "failed", "left out")
Model = tuple[torch.nn.Module, tuple[torch.Tensor, ...]]
"""A model that takes tensors and returns one, and samples (N, ...) for each of them."""


class LeftOut(Exception):
    """A model that cannot be walked: not built without downloads, or nothing that is known to feed it."""


@dataclass(frozen=True)
class Subject:
    """One model of a library.

    Attributes:
        family: how it is listed, library first: "timm resnet", "transformers bert".
        build: returns the name of what it built, and the model with samples.

    ``build`` runs in a process of its own, and raises ``LeftOut`` where there is nothing to judge.
    """

    family: str
    build: Callable[[], tuple[str, Model]]


@dataclass(frozen=True)
class Found:
    """What became of one model.

    Attributes:
        family, example: of :class:`Subject`, and the name of what was built.
        state: "accepted" if every operation has a spiking form and, without codes, gives the model's outputs; "refused";
            "failed" if it was accepted wrongly, or ended otherwise than by a refusal; "left out" if nothing was judged.
        reasons: every operation that blocks, with its reason and how often; or why it failed or was left out.
        deviation: of the lowered network's outputs from the model's, over the largest of them; None unless accepted.
        seconds: from building it to the comparison.
    """

    family: str
    example: str
    state: State
    reasons: tuple[str, ...] = ()
    deviation: float | None = None
    seconds: float = 0.0

    def as_json(self) -> dict[str, Any]:
        """Fields by name."""
        return asdict(self)

    @staticmethod
    def from_json(kept: dict[str, Any]) -> Found:
        """The reverse of :meth:`as_json`."""
        fields: dict[str, Any] = {**kept, "reasons": tuple(kept["reasons"])}
        return Found(**fields)
