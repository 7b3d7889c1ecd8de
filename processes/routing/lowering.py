"""Lowering with routes: values keep their signs in their new places, and padding is zero."""

from __future__ import annotations

import torch

from processes.lowering import Signs, multiplies, never_negative
from processes.routing import Route, apply

multiplies.refuse("wiring is looked through, and what it routes is asked", Route)


@never_negative.of(Route)
def _(op: Route, signs: Signs) -> torch.Tensor:
    """The operand's answers, routed; padding, which is 0, is never negative."""
    return apply(1.0 - signs(0).double(), op.chain, 0) == 0
