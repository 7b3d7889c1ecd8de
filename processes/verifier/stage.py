"""Checks an operation against its network's stage: floating point until discretisation, a chip's integers after."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from typing import Any

import numpy as np

from processes.chips import CHIPS, FLOAT32
from processes.errors import DeployError
from processes.invariants import real_in_fixed_point
from processes.network import CalibratedNetwork, FixedPointNetwork, LoweredNetwork, Network
from processes.operation import Operation

DECODING = frozenset({"scale", "unit"})
"""Fields by which the host decodes potentials and spikes; they stay real, as the network itself never reads them."""


def check_stage(network: Network, name: str, op: Operation) -> None:
    """Check that an operation has the arithmetic of its network's stage; a plain Network accepts any.

    Raises:
        DeployError: it has not, or holds wider potentials than the chip.
    """
    if (problem := next(_complaints(network, op), None)) is not None:
        raise DeployError(f"node '{name}' ({op.name}) of a {type(network).__name__}: {problem}")


def _complaints(network: Network, op: Operation) -> Iterator[str]:
    bits = getattr(op, "state_bits", 0)
    if isinstance(network, LoweredNetwork | CalibratedNetwork):
        if bits:
            yield f"it is in integers of {bits} bits before discretisation"
    elif isinstance(network, FixedPointNetwork):
        if hasattr(op, "state_bits") and not bits:
            yield "it is in floating point after discretisation"
        chip = CHIPS.get(network.header.stated("chip"))
        widest = FLOAT32 if chip is None else chip.state_bits  # a user's own chip: float32 carries potentials
        if bits > widest:
            yield f"state_bits is {bits}, and {network.header.chip} holds potentials of {widest}"
        for field, array in _deciding(op, real_in_fixed_point(op) | DECODING):
            if array.dtype.kind not in "biu":
                yield f"{field} holds {array.dtype}, not integers"


def _deciding(value: Any, real: frozenset[str]) -> Iterator[tuple[str, np.ndarray]]:
    """Names and arrays, those of nested dataclasses included, that decide what an operation sends: all but ``real``."""
    for field in dataclasses.fields(value):
        item = getattr(value, field.name)
        if isinstance(item, np.ndarray) and field.name not in real:
            yield field.name, item
        elif dataclasses.is_dataclass(item):
            yield from _deciding(item, real)
