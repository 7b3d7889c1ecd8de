"""Checks before a network runs that shapes, lengths and kinds fit together, as a file may be damaged or changed.

Every operation states its own invariants (:mod:`processes.invariants`); :func:`check` evaluates them for all nodes.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterator
from typing import Any

import numpy as np

from processes.errors import DeployError
from processes.invariants import WIDEST, invariants, reads
from processes.network import Network, Node
from processes.synapse import Synapse
from processes.verifier.stage import check_stage

LIMIT = 2**27
"""Most values of one sample at one node: 1 GiB in float64."""


def check(network: Network) -> None:
    """Check the header of a network and every node, in the network's order.

    Raises:
        DeployError: the header is not that of the network's stage, or a node violates its stage or an invariant of its
            operation; the message names the first such node.
    """
    network.check_header()
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
    for i, name in enumerate(node.inputs):
        kind = "spikes" if _spikes(network, name) else "potentials"
        if kind != reads(node.op, i):
            yield f"reads {kind} of '{name}' and takes the other"
    if not 0 <= (bits := getattr(node.op, "state_bits", 0)) <= WIDEST:
        yield f"state_bits is {bits}"
    if getattr(node.op, "streams", False) and not _by_step(network, node):
        yield "streams, and hears no synapse of spikes of as many steps"
    shapes = [network.shape(name) for name in node.inputs]
    yield from invariants(node.op, shapes, [_steps(network, name) for name in node.inputs])


def _by_step(network: Network, node: Node) -> bool:
    """Whether the only operand of a node is a synapse of spikes in as many steps as the node has itself."""
    op: Any = node.op
    source = node.inputs[0]
    if len(node.inputs) > 1 or source == network.INPUT or not isinstance(network[source], Synapse):
        return False
    return _steps(network, network.nodes[source].inputs[0]) == op.steps


def _spikes(network: Network, name: str) -> bool:
    return name != network.INPUT and network[name].fires


def _steps(network: Network, name: str) -> int:
    """The number of steps of the window of spikes from ``name``; 0 if it sends none."""
    origin: Any = network[network.origin(name)] if _spikes(network, name) else None
    return 0 if origin is None else origin.steps
