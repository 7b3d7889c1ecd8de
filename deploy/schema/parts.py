"""What all parts of a report have in common: how a part is declared, and the numbers that it may hold."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, TypeVar

from pydantic import ConfigDict, Field
from typing_extensions import TypeAliasType, dataclass_transform

Part = TypeVar("Part")

HUGE = 1e100
"""Bound on the magnitude of a number in a report, far above any real quantity: it keeps sums and ratios finite."""

Count = Annotated[int, Field(ge=0, lt=2**63)]
"""A whole number of things, from 0 up."""
Number = Annotated[float, Field(gt=-HUGE, lt=HUGE)]
"""A finite quantity, in the unit that its name or its part states."""
Fraction = Annotated[float, Field(ge=0, le=1)]
"""A share in [0, 1], where 1 means all."""
Value = TypeAliasType("Value", "bool | Count | Number | str | list[Value] | Mapping[str, Value]")
"""A measurement that only one target reports: plain JSON values, nested to any depth."""


@dataclass_transform(frozen_default=True, kw_only_default=True)
def part(kind: type[Part]) -> type[Part]:
    """Class decorator that declares a part of a report: a frozen dataclass whose constructor takes keywords only.

    JSON is read strictly: types are not converted, unknown keys and numbers that are not finite are refused. A field
    with a default may be missing from a file; it is never written as null.
    """
    kind.__pydantic_config__ = ConfigDict(extra="forbid", strict=True, allow_inf_nan=False)  # type: ignore[attr-defined]
    return dataclass(frozen=True, kw_only=True)(kind)


__all__ = ["Count", "Fraction", "Mapping", "Number", "Value", "part"]
