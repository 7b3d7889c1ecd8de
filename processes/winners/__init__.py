"""k winners take all: a race of the spike trains of each group; the winners, the k largest values, fire one spike each.

    at first, for the values j of a group: live_j = 1, won_j = 0, places = k
    at every step, for the live values that send +, then those that are silent, then those that send -:
        if there are more places than such values, all of them win and take a place each
        else they stay live, and the live values that come later in this order drop out
    after the window: the values that have won and the first ``places`` of those that are still live fire +

The neurons of a group share one code, whose thresholds fall: the earlier a neuron spikes +, the larger its value, and
the earlier it spikes -, the smaller. So the k earliest positive spikes win, and the k-th ends the race; where more come
at one step than there are places, the race goes on with their next spikes. Values with identical spike trains have the
same decoded value: the first of them win, as in a stable sort. A winner's spike stands for 1: multiplied with other
values, neuron by neuron, it selects those of the winners. That is how mixtures of experts route.

With one spike per value, the winners are the largest decoded values; with several, the largest potentials. Near ties
may be decided otherwise than in the trained network, within the error of the code.

Each neuron holds two bits for each value of its group. Ours (docs/design.md, k winners); that the first k spikes shut
out the rest is k-winners-take-all by lateral inhibition.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch

from processes.operation import Operation, Result, Window, rows_of
from processes.phase_code import StepCode

LATEST = 2**20
"""A step later than any step of a window."""


@dataclass(frozen=True, eq=False, kw_only=True)
class Winners(Operation):
    """1 for the k largest values of each row along the last axis (a group), 0 for the others; shape (..., group).

    Attributes:
        count: k, the number of winners of each row.
    """

    count: int

    name: ClassVar[str] = "winners"
    emits: ClassVar[str] = "spikes"  # type: ignore[assignment]
    steps: ClassVar[int] = 1

    @property
    def code(self) -> StepCode:
        """The code of its spikes: a window of one step, in which a spike is worth 1."""
        return StepCode(np.ones(self.steps))

    @property
    def scale(self) -> np.ndarray:
        """Real value of a spike, 1, broadcast shape."""
        return np.ones((1,) * len(self.shape))

    def window(self, sources: list[Window], ready: list[int]) -> Window:
        """The one step after its operand's window, when all spikes have arrived."""
        return Window(sources[0].stop, sources[0].stop + self.steps)

    def ideal(self, *inputs: torch.Tensor) -> torch.Tensor:
        """1 for winners, else 0, like x; of equal values the first win. Gradients pass straight through to x."""
        (x,) = inputs
        return self._largest([x.detach()]).to(x.dtype) + (x - x.detach() if x.requires_grad else 0)

    def closed_form(self, *inputs: torch.Tensor, dtype: torch.dtype = torch.float32) -> Result:
        """Codes (1, N, *shape) of codes (planes, N, *shape): trains are compared spike by spike."""
        codes = inputs[0]
        keys = [plane.sign().int() * (LATEST - plane.abs().int()) for plane in codes]  # an early spike: far from 0
        return Result(self._largest(keys).to(codes.dtype)[None])

    def _largest(self, keys: list[torch.Tensor]) -> torch.Tensor:
        """The ``count`` largest of each row, bool (N, *shape), by the first key, then the next, then the index."""
        order = torch.arange(keys[0].shape[-1], device=keys[0].device).expand(keys[0].shape)
        for key in reversed(keys):
            further = key.gather(-1, order).sort(dim=-1, descending=True, stable=True).indices
            order = order.gather(-1, further)
        chosen = torch.zeros(keys[0].shape, dtype=torch.bool, device=keys[0].device)
        return chosen.scatter(-1, order[..., : self.count], True)

    def stepper(self, window: Window, sources: list[Window]) -> WinnersStepper:
        """The :class:`WinnersStepper` of this operation."""
        return WinnersStepper(self, window)


class WinnersStepper:
    """Stepper of a :class:`Winners`: a race in each group.

    Attributes:
        live, won: which values are still in the race, and which have won, bool (groups, group).
        places: how many places are left, (groups, 1).
    """

    def __init__(self, op: Winners, window: Window) -> None:
        self.op, self.start = op, window.start
        self.reset()

    def reset(self) -> None:
        """Begin new races: all values are live, and no place is taken."""
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
