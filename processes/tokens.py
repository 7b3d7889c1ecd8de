"""The trait that says how an operation runs for later tokens alone, answered in ``tokens.py`` of its folder.

A network that treats every token for itself, but for products whose rows read the tokens up to their own, need not run
over its whole sequence again when a token is added: it runs over the new tokens' rows, against the traces that neurons
of earlier tokens hold. Each operation says which axes of its samples count tokens, or refuses if it mixes tokens
otherwise.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from processes.errors import DeployError
from processes.operation import Operation
from processes.traits import Trait


@dataclass(frozen=True)
class Axes:
    """Which axes of a node's samples count tokens; axes are negative, -1 the last.

    Attributes:
        rows: axis of which each index is a token of its own.
        columns: axis of which each index is a token that rows read; None if there is no such axis.
        masked: whether values for tokens after a row's own are silent; only with ``columns``.
    """

    rows: int
    columns: int | None = None
    masked: bool = False


@dataclass(frozen=True)
class Part:
    """Tokens ``first`` to ``stop`` - 1 of a node with the given axes; rows read all tokens before ``stop``."""

    axes: Axes
    first: int
    stop: int

    def shape(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        """Sample shape of the part, given that of the whole."""
        found = list(shape)
        found[self.axes.rows] = self.stop - self.first
        if self.axes.columns is not None:
            found[self.axes.columns] = self.stop
        return tuple(found)

    def of(self, parameter: np.ndarray | None) -> np.ndarray | None:
        """Cut the part out of a parameter of broadcast shape, which may have further axes in front; None stays None."""
        if parameter is None:
            return None
        for axis, first in ((self.axes.rows, self.first), (self.axes.columns, 0)):
            if axis is not None and -axis <= parameter.ndim and parameter.shape[axis] > 1:
                parameter = parameter[(..., slice(first, self.stop), *[slice(None)] * (-axis - 1))]
        return np.ascontiguousarray(parameter)


@dataclass(frozen=True)
class Tokens:
    """How an operation runs for some of the tokens.

    Attributes:
        axes: axes of its output that count tokens.
        varying: names of fields, of broadcast shape, that differ from token to token and are cut for a part.
        holds: axis of its second operand that counts the tokens whose traces are held; None if no traces are held.
        rewired: makes further fields of a part, which are written anew instead of cut.
    """

    axes: Axes
    varying: tuple[str, ...] = ()
    holds: int | None = None
    rewired: Callable[[Part], dict[str, Any]] | None = None

    @property
    def moves(self) -> bool:
        """Whether the operation differs between parts of equally many tokens at different positions."""
        return bool(self.varying) or self.axes.columns is not None or self.rewired is not None

    def part(self, whole: Operation, latest: Operation, first: int, stop: int) -> Operation:
        """The operation for tokens ``first`` to ``stop`` - 1; ``latest`` is the part cut before, or the whole."""
        part = Part(self.axes, first, stop)
        fields = {name: part.of(getattr(whole, name)) for name in self.varying}
        if self.rewired is not None:
            fields |= self.rewired(part)
        return latest.reshaped(part.shape(whole.shape), **fields)


tokens: Trait[[Sequence[Axes]], Tokens] = Trait("tokens", "how it goes on with later tokens")
"""The answer, given the axes of each operand. Raises DeployError where tokens mix otherwise; its text completes
"node 'X': ..."."""


def alone(op: Operation, operands: Sequence[Axes], *varying: str, still: Sequence[np.ndarray | None] = ()) -> Tokens:
    """Answer of operations that process every value separately: the axes of their operands.

    Args:
        op: the operation.
        operands: axes of each operand.
        varying: names of fields that may differ from token to token.
        still: parameters of its code, which may not.

    Raises:
        DeployError: operands have different axes, or a parameter in ``still`` differs from token to token.
    """
    axes = operands[0]
    if any(other != axes for other in operands):
        raise DeployError("its operands count tokens along different axes")
    if any(_varies(parameter, axes) for parameter in still):
        raise DeployError("its codes differ from token to token")
    return Tokens(axes, those_that_vary(op, axes, *varying))


def along_features(op: Operation, operands: Sequence[Axes], *, still: Sequence[np.ndarray | None] = ()) -> Tokens:
    """Answer of operations that mix the values of the last axis, which may not count tokens.

    Raises:
        DeployError: the last axis counts tokens, or :func:`alone` refuses.
    """
    found = alone(op, operands, still=still)
    if found.axes.columns is not None or found.axes.rows == -1:
        raise DeployError("it mixes tokens")
    return found


def those_that_vary(op: Operation, axes: Axes, *fields: str) -> tuple[str, ...]:
    """Which of the named ``fields``, of broadcast shape, differ from token to token."""
    return tuple(name for name in fields if _varies(getattr(op, name), axes))


def _varies(parameter: np.ndarray | None, axes: Axes) -> bool:
    if parameter is None:
        return False
    return any(a is not None and -a <= parameter.ndim and parameter.shape[a] > 1 for a in (axes.rows, axes.columns))


def causal(allowed: np.ndarray | None, axes: Axes) -> bool:
    """Whether a mask of broadcast shape hides from every row all tokens after its own; False if there is no mask."""
    if allowed is None or axes.columns is None or -axes.rows > allowed.ndim:
        return False
    seen = np.moveaxis(allowed, (axes.rows, axes.columns), (-2, -1))
    return seen.shape[-2] == seen.shape[-1] and not np.triu(seen, 1).any()
