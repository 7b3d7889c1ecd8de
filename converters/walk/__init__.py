"""A walk over the models of timm and transformers: which of them lower without error, and what blocks the others."""

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
    """A model that cannot be judged: it cannot be built without downloads, or no known input runs it."""


@dataclass(frozen=True)
class Subject:
    """One model of a library that is to be judged.

    Attributes:
        family: the name under which it is listed, library first: "timm resnet", "transformers bert".
        build: returns the name of the model that it built, and the model with samples; it is called in a process of its
            own, and raises ``LeftOut`` where there is nothing to judge.
    """

    family: str
    build: Callable[[], tuple[str, Model]]


@dataclass(frozen=True)
class Found:
    """What became of one model.

    Attributes:
        family: of the :class:`Subject`.
        example: the name of the model that was built; empty if none was.
        state: "accepted" if every operation has a spiking form and, without codes, gives the model's outputs; "refused"
            if an operation blocks; "failed" if the outputs are wrong, or it ended otherwise than by a refusal; "left
            out" if nothing was judged.
        reasons: every operation that blocks, with its reason and how often; or why it failed or was left out.
        deviation: largest difference of the lowered network's outputs from the model's, over the largest output; None
            unless accepted.
        seconds: for building, lowering and comparing.
    """

    family: str
    example: str
    state: State
    reasons: tuple[str, ...] = ()
    deviation: float | None = None
    seconds: float = 0.0

    def as_json(self) -> dict[str, Any]:
        """The fields by name, for one JSON object."""
        return asdict(self)

    @staticmethod
    def from_json(kept: dict[str, Any]) -> Found:
        """Restore what :meth:`as_json` gave, where reasons may be a list."""
        fields: dict[str, Any] = {**kept, "reasons": tuple(kept["reasons"])}
        return Found(**fields)
