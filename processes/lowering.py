"""What lowering knows of an operation before it has run: each says so in ``lowering.py`` of its folder.

Lowering turns layers of a trained model into operations, with handlers in ``converters/lowering``. Some choices depend on
operations that are there already: a divisor has to be known never to be negative, and a product of activations cannot join
a residual stream, as its potential has a unit of its own.
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
        names: of the operands, in order.
        of: the answer by name, bool (*shape).
    """

    names: tuple[str, ...]
    of: Callable[[str], torch.Tensor]

    def __call__(self, operand: int) -> torch.Tensor:
        """Of operand number ``operand``."""
        return self.of(self.names[operand])


never_negative: Trait[[Signs], torch.Tensor] = Trait("lowering", "which of its values are never negative")
"""Bool (*shape), as far as the operation can tell; False where it cannot."""

multiplies: Trait[[], bool] = Trait("lowering", "whether it multiplies activations")
"""Whether the scales of its operands stay in the unit of its potential."""


def everywhere(op: Any, signs: Signs) -> torch.Tensor:
    """No value is ever negative."""
    return torch.ones(op.shape, dtype=torch.bool)


def nowhere(op: Any, signs: Signs) -> torch.Tensor:
    """Any value may be negative."""
    return torch.zeros(op.shape, dtype=torch.bool)


def as_the_first(op: Any, signs: Signs) -> torch.Tensor:
    """Values have the signs of the first operand's."""
    return signs(0)
