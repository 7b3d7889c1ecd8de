"""What a network read from a file has to satisfy before anything runs: shapes, lengths and kinds fit together.

A rule for each operation says what shape its operands give it, and what lengths its tables have; compiled loops rely on
these without looking again.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterator
from typing import Any

import numpy as np

from processes.errors import DeployError
from processes.legal.rules import RULES, WIDEST
from processes.legal.stage import check_stage
from processes.network import (
    ConvSynapse,
    DenseSynapse,
    DynamicThreshold,
    Network,
    Node,
    PhaseNeuron,
    Route,
    ScaleSynapse,
    SiNorm,
    SquareSum,
    TraceProduct,
)

LIMIT = 2**27
"""Values of one sample at one node: 1 GB in float64."""
SPIKES = (DenseSynapse, ConvSynapse, ScaleSynapse, SquareSum, SiNorm, TraceProduct)
"""Operations whose operands are spikes; the others take potentials."""


def check(network: Network) -> None:
    """Raise DeployError for the first node that cannot be what its operation says."""
    for name, node in network:
        check_stage(network, name, node.op)
        if (problem := _problem(network, node)) is not None:
            raise DeployError(f"node '{name}' ({node.op.name}): {problem}; the file is damaged or was changed")


def _problem(network: Network, node: Node) -> str | None:
    op: Any = node.op
    if not op.shape or min(op.shape) < 1 or math.prod(op.shape) > LIMIT:
        return f"shape {op.shape} is none of a sample of at most {LIMIT:,} values"
    for field, value in _arrays(op):
        if value.dtype.kind not in "biuf" or (value.dtype.kind == "f" and bool(np.isnan(value).any())):
            return f"{field} holds NaN or no numbers"
    try:
        return next(_complaints(network, node), None)
    except (ArithmeticError, AttributeError, LookupError, RuntimeError, TypeError, ValueError) as error:
        return f"its parameters do not fit together ({' '.join(str(error).split())[:120]})"


def _arrays(value: Any) -> Iterator[tuple[str, np.ndarray]]:
    for field in dataclasses.fields(value):
        item = getattr(value, field.name)
        if isinstance(item, np.ndarray):
            yield field.name, item
        elif dataclasses.is_dataclass(item):
            yield from _arrays(item)


def _complaints(network: Network, node: Node) -> Iterator[str]:
    op: Any = node.op
    for i, name in enumerate(node.inputs):
        spiking = name != network.INPUT and network[name].fires
        divided_by = isinstance(op, DynamicThreshold) and not op.squared and i == 1
        if spiking != (op.fires if isinstance(op, Route) else isinstance(op, SPIKES) or divided_by):
            yield f"reads {'spikes' if spiking else 'potentials'} of '{name}' and takes the other"
    if not 0 <= (bits := getattr(op, "state_bits", 0)) <= WIDEST:
        yield f"state_bits is {bits}"
    shapes = [network.shape(name) for name in node.inputs]
    steps = [_steps(network, name) for name in node.inputs]
    yield from RULES[type(op)](op, shapes, steps)


def _steps(network: Network, name: str) -> int:
    """Steps in which spikes from ``name`` come; 0 of what does not spike."""
    if name == network.INPUT or not network[name].fires:
        return 0
    op: Any = network[network.origin(name)]
    return op.schedule.steps if isinstance(op, PhaseNeuron) else op.steps
