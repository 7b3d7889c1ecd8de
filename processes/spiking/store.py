"""Graphs of spiking networks as JSON and arrays, which no reader has to execute."""

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
    """A value of the kinds above, tuples, mappings by name, numbers and text, as JSON; its arrays go into ``arrays``."""
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
    """What :func:`packed` has packed.

    Raises:
        DeployError: a kind that there is not, or without its fields.
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
