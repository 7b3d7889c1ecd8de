"""k winners take all: of each group of spike trains, the neurons behind the k that say the most fire one spike each.

    live_j = 1, won_j = 0, places = k at first, for the values j of a group
    at every step, of those that are live, + before silence before -:
        those that say more than others win, as long as there are places for all of them; each takes one
        where there are too few places for those that say the same, these stay live, and whoever says less drops out
    behind the window, those who have won and the first ``places`` of those that are still live fire +

The neurons of a group share one code, whose thresholds fall: whoever spikes + earlier is larger, and whoever spikes - earlier
is smaller. So the k earliest spikes win, and the k-th closes the group; where more come at once than there are places, the race
goes on with their next spikes. Those whose trains are the same to the end have the same decoded value: the first of them win,
as where a sort is stable. A winner's spike stands for 1: multiplied with other values, neuron by neuron, it lets those of the
winners through. That is how mixtures of experts choose.

With one spike a value, the winners are those of the largest decoded values; with several, of the largest potentials. Near ties
may be decided otherwise than in the trained network, by less than the code's own error: that is inherent.

Each neuron holds two bits for each value of its group. Ours (docs/design.md, k winners); that the first k spikes shut out the
rest is k-winners-take-all by lateral inhibition.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch

from processes.operation import Operation, Result, Window, rows_of
from processes.phase_code import StepCode

LATEST = 2**20
"""A step behind all others."""


@dataclass(frozen=True, eq=False, kw_only=True)
class Winners(Operation):
    """1 for the largest ``count`` values of each row along the last axis, 0 for the others; shape (..., group).

    Attributes:
        count: k, of each row.
    """

    count: int

    name: ClassVar[str] = "winners"
    emits: ClassVar[str] = "spikes"  # type: ignore[assignment]
    steps: ClassVar[int] = 1

    @property
    def code(self) -> StepCode:
        """One step, whose spike stands for 1."""
        return StepCode(np.ones(self.steps))

    @property
    def scale(self) -> np.ndarray:
        """1, as a broadcast shape."""
        return np.ones((1,) * len(self.shape))

    def window(self, sources: list[Window], ready: list[int]) -> Window:
        """The step behind its operand's window, in which all of it is known."""
        return Window(sources[0].stop, sources[0].stop + self.steps)

    def ideal(self, *inputs: torch.Tensor) -> torch.Tensor:
        """1 and 0; of equal values the first win. Gradients pass straight through, so that who is compared matters to them."""
        (x,) = inputs
        return self._largest([x.detach()]).to(x.dtype) + (x - x.detach() if x.requires_grad else 0)

    def closed_form(self, *inputs: torch.Tensor, dtype: torch.dtype = torch.float32) -> Result:
        """Codes (1, N, *shape): trains compared by their first spikes, then by the next ones."""
        codes = inputs[0]
        keys = [plane.sign().int() * (LATEST - plane.abs().int()) for plane in codes]  # the earlier, the further from 0
        return Result(self._largest(keys).to(codes.dtype)[None])

    def _largest(self, keys: list[torch.Tensor]) -> torch.Tensor:
        """Which values of each row are among the ``count`` largest, bool; by the first key, then the next, then the index."""
        order = torch.arange(keys[0].shape[-1], device=keys[0].device).expand(keys[0].shape)
        for key in reversed(keys):
            further = key.gather(-1, order).sort(dim=-1, descending=True, stable=True).indices
            order = order.gather(-1, further)
        chosen = torch.zeros(keys[0].shape, dtype=torch.bool, device=keys[0].device)
        return chosen.scatter(-1, order[..., : self.count], True)

    def stepper(self, window: Window, sources: list[Window]) -> WinnersStepper:
        """A race in each group."""
        return WinnersStepper(self, window)


class WinnersStepper:
    """Who is still in a group's race, who has won a place, and how many places are left."""

    def __init__(self, op: Winners, window: Window) -> None:
        self.op, self.start = op, window.start
        self.reset()

    def reset(self) -> None:
        """Everybody takes part again, and no place is taken."""
        groups = (rows_of(self.op.shape), self.op.shape[-1])
        self.live, self.won = np.ones(groups, bool), np.zeros(groups, bool)
        self.places = np.full((groups[0], 1), self.op.count)

    def step(self, t: int, messages: list[np.ndarray | None]) -> np.ndarray | None:
        """Signs int8 (*shape) of the winners' spikes, in the one step in which they come; None before and after it."""
        if t == self.start:
            first = np.cumsum(self.live, -1) <= self.places
            return (self.won | (self.live & first)).astype(np.int8).reshape(self.op.shape)
        if messages[0] is not None:
            self._race(messages[0].reshape(self.live.shape))
        return None

    def _race(self, signs: np.ndarray) -> None:
        left = self.live
        decided = np.zeros_like(self.places, bool)
        for said in (1, 0, -1):
            alike = left & (signs == said) & ~decided
            number = alike.sum(-1, keepdims=True)
            decided |= number >= self.places
            self.live = np.where(decided & alike.any(-1, keepdims=True), alike, self.live)
            win = alike & ~decided
            self.won |= win
            self.places = self.places - win.sum(-1, keepdims=True)
            left = left & ~alike
