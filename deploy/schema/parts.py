"""What all parts of a report have in common: how a part is declared, and the numbers that it may hold."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, TypeVar

from pydantic import ConfigDict, Field
from typing_extensions import TypeAliasType, dataclass_transform

Part = TypeVar("Part")

HUGE = 1e100
"""No quantity of a report comes near it; bounding numbers keeps every sum and ratio of what was read finite."""

Count = Annotated[int, Field(ge=0, lt=2**63)]
"""A whole number of things."""
Number = Annotated[float, Field(gt=-HUGE, lt=HUGE)]
"""A finite quantity, in the unit that its name or its part states."""
Fraction = Annotated[float, Field(ge=0, le=1)]
"""A share, 1 for all."""
Value = TypeAliasType("Value", "bool | Count | Number | str | list[Value] | Mapping[str, Value]")
"""What only one target tells: plain values, nested as it likes."""


@dataclass_transform(frozen_default=True, kw_only_default=True)
def part(kind: type[Part]) -> type[Part]:
    """Declare a part of a report: a frozen dataclass of keywords, read strictly, without keys that it does not know.

    A field with a default may be missing, and is then absent from the file, never null.
    """
    kind.__pydantic_config__ = ConfigDict(extra="forbid", strict=True, allow_inf_nan=False)  # type: ignore[attr-defined]
    return dataclass(frozen=True, kw_only=True)(kind)


__all__ = ["Count", "Fraction", "Mapping", "Number", "Value", "part"]
