"""Traits that lowering needs before a network has run, answered in ``lowering.py`` of each operation's folder.

Lowering turns layers of a trained model into operations, with handlers in ``converters/lowering``. Some choices depend
on operations that are there already: a divisor has to be known never to be negative, and a product of activations
cannot join a residual stream, as its potential has a unit of its own.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch

from processes.traits import Trait


@dataclass(frozen=True)
class Signs:
    """Which values of an operation's operands are never negative, whatever the network's input.

    Attributes:
        names: names of the operands, in order.
        of: from the name of a node to where its values are never negative, bool (*shape).
    """

    names: tuple[str, ...]
    of: Callable[[str], torch.Tensor]

    def __call__(self, operand: int) -> torch.Tensor:
        """Where values of operand number ``operand`` are never negative, bool (*shape)."""
        return self.of(self.names[operand])


never_negative: Trait[[Signs], torch.Tensor] = Trait("lowering", "which of its values are never negative")
"""Where values of an operation are never negative, bool (*shape); False where that is not known."""

multiplies: Trait[[], bool] = Trait("lowering", "whether it multiplies activations")
"""Whether an operation multiplies activations, so that the scales of its operands stay in the unit of its potential."""


def everywhere(op: Any, signs: Signs) -> torch.Tensor:
    """True, bool (*shape): no value is ever negative."""
    return torch.ones(op.shape, dtype=torch.bool)


def nowhere(op: Any, signs: Signs) -> torch.Tensor:
    """False, bool (*shape): any value may be negative."""
    return torch.zeros(op.shape, dtype=torch.bool)


def as_the_first(op: Any, signs: Signs) -> torch.Tensor:
    """The answer of the first operand, whose signs and shape the operation's values have."""
    return signs(0)
