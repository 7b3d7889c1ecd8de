"""How an operation goes on with later tokens: which axes of its samples count them, and what of it is for some of them alone.

A network that treats every token for itself, but for products whose rows read the tokens up to their own, need not run over
its whole sequence again when a token is added: it runs over the new tokens' rows, against what neurons of earlier tokens
hold. Each operation says in ``tokens.py`` of its folder which axes count tokens, or refuses as it mixes them otherwise.
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
    """Which axes of a node's samples count tokens, from the last one, -1.

    Attributes:
        rows: each index is a token of its own.
        columns: each index is a token that rows read; None if there is no such axis.
        masked: what stands for tokens after a row's own is silent; only with ``columns``.
    """

    rows: int
    columns: int | None = None
    masked: bool = False


@dataclass(frozen=True)
class Part:
    """Tokens ``first`` to ``stop`` - 1 of a node with such axes; rows read all tokens before ``stop``."""

    axes: Axes
    first: int
    stop: int

    def shape(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        """Sample shape of the part."""
        found = list(shape)
        found[self.axes.rows] = self.stop - self.first
        if self.axes.columns is not None:
            found[self.axes.columns] = self.stop
        return tuple(found)

    def of(self, parameter: np.ndarray | None) -> np.ndarray | None:
        """What the part has of a parameter of broadcast shape, further axes before it; None of None."""
        if parameter is None:
            return None
        for axis, first in ((self.axes.rows, self.first), (self.axes.columns, 0)):
            if axis is not None and -axis <= parameter.ndim and parameter.shape[axis] > 1:
                parameter = parameter[(..., slice(first, self.stop), *[slice(None)] * (-axis - 1))]
        return np.ascontiguousarray(parameter)


@dataclass(frozen=True)
class Tokens:
    """An operation's answer.

    Attributes:
        axes: of its output.
        varying: fields of broadcast shape that may differ from token to token.
        holds: the axis that counts tokens of its second operand, of which earlier tokens' traces are held; None if none are.
        rewired: further fields of a part that are not cut but written anew.
    """

    axes: Axes
    varying: tuple[str, ...] = ()
    holds: int | None = None
    rewired: Callable[[Part], dict[str, Any]] | None = None

    @property
    def moves(self) -> bool:
        """Whether parts of as many tokens at another place need to be cut anew."""
        return bool(self.varying) or self.axes.columns is not None or self.rewired is not None

    def part(self, whole: Operation, latest: Operation, first: int, stop: int) -> Operation:
        """The operation for some tokens; ``latest`` is the part that was cut before it, or the whole."""
        part = Part(self.axes, first, stop)
        fields = {name: part.of(getattr(whole, name)) for name in self.varying}
        if self.rewired is not None:
            fields |= self.rewired(part)
        return latest.reshaped(part.shape(whole.shape), **fields)


tokens: Trait[[Sequence[Axes]], Tokens] = Trait("tokens", "how it goes on with later tokens")
"""Given the axes of each operand. Raises DeployError where tokens are mixed otherwise; its text completes "node 'X': ..."."""


def alone(op: Operation, operands: Sequence[Axes], *varying: str, still: Sequence[np.ndarray | None] = ()) -> Tokens:
    """Of operations that treat every value for itself: the operands' axes; ``still`` may not differ from token to token.

    Raises:
        DeployError: operands differ in their axes, or codes from token to token.
    """
    axes = operands[0]
    if any(other != axes for other in operands):
        raise DeployError("its operands count tokens along different axes")
    if any(_varies(parameter, axes) for parameter in still):
        raise DeployError("its codes differ from token to token")
    return Tokens(axes, those_that_vary(op, axes, *varying))


def along_features(op: Operation, operands: Sequence[Axes], *, still: Sequence[np.ndarray | None] = ()) -> Tokens:
    """Of operations that mix the last axis, which must be no token's.

    Raises:
        DeployError: it is, or operands differ.
    """
    found = alone(op, operands, still=still)
    if found.axes.columns is not None or found.axes.rows == -1:
        raise DeployError("it mixes tokens")
    return found


def those_that_vary(op: Operation, axes: Axes, *fields: str) -> tuple[str, ...]:
    """Fields, of broadcast shape, that differ from token to token."""
    return tuple(name for name in fields if _varies(getattr(op, name), axes))


def _varies(parameter: np.ndarray | None, axes: Axes) -> bool:
    if parameter is None:
        return False
    return any(a is not None and -a <= parameter.ndim and parameter.shape[a] > 1 for a in (axes.rows, axes.columns))


def causal(allowed: np.ndarray | None, axes: Axes) -> bool:
    """Whether a mask, of broadcast shape, keeps every row from all tokens after its own."""
    if allowed is None or axes.columns is None or -axes.rows > allowed.ndim:
        return False
    seen = np.moveaxis(allowed, (axes.rows, axes.columns), (-2, -1))
    return seen.shape[-2] == seen.shape[-1] and not np.triu(seen, 1).any()
