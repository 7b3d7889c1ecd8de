"""Stores graphs of spiking networks as JSON and arrays, so that reading a file executes no code."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from typing import Any, cast

import numpy as np

from processes.errors import DeployError
from processes.spiking import (
    Affine,
    Graph,
    Layout,
    Levels,
    MaxPool,
    Neuron,
    Node,
    Product,
    Reduce,
    Source,
    Sum,
    SumPool,
    Weighted,
    Wire,
)
from processes.spiking.neuron import Rule, Update

KINDS = {
    kind.__name__: kind
    for kind in (
        Affine, Graph, Layout, Levels, MaxPool, Neuron, Node, Product, Reduce, Rule, Source, Sum, SumPool, Update, Weighted,
        Wire,
    )
}  # fmt: skip


def packed(value: Any, arrays: dict[str, np.ndarray]) -> Any:
    """A value as JSON, with its arrays put into ``arrays`` under new names.

    Raises:
        TypeError: the value is no array, tuple, mapping, number, text, None or dataclass.
    """
    if isinstance(value, np.ndarray):
        name = f"a{len(arrays)}"
        arrays[name] = value
        return {"array": name}
    if is_dataclass(value):
        return {"kind": type(value).__name__, **{f.name: packed(getattr(value, f.name), arrays) for f in fields(value)}}
    if isinstance(value, tuple):
        return [packed(item, arrays) for item in value]
    if isinstance(value, Mapping):
        return {"map": {name: packed(item, arrays) for name, item in value.items()}}
    if value is None or isinstance(value, bool | int | float | str):
        return value
    raise TypeError(f"{type(value).__name__} has no form in a file")


def unpacked(value: Any, arrays: Mapping[str, np.ndarray]) -> Any:
    """Restore a value from the JSON and arrays of :func:`packed`; lists become tuples.

    Raises:
        DeployError: an entry's kind is unknown, or its fields are not those of the kind.
        KeyError: an array is missing.
    """
    if isinstance(value, list):
        return tuple(unpacked(item, arrays) for item in value)
    if not isinstance(value, dict):
        return value
    if "array" in value:
        return arrays[value["array"]]
    if "map" in value:
        return {name: unpacked(item, arrays) for name, item in value["map"].items()}
    kind = cast(Any, KINDS.get(value.get("kind", "")))
    if kind is None or value.keys() - {"kind"} != {f.name for f in fields(kind)}:
        raise DeployError(f"{value.get('kind')!r} with {sorted(value)} is no part of a spiking network of this version")
    return kind(**{name: unpacked(item, arrays) for name, item in value.items() if name != "kind"})
