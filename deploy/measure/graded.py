"""What of a network is not binary spikes, and why, read off the network itself."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

from deploy.schema import NotSpiking
from processes.chips import CHIPS
from processes.network import (
    Centre,
    DynamicThreshold,
    Network,
    Readout,
    Residual,
    Route,
    SiExp,
    SiNorm,
    SquareSum,
    TraceProduct,
    Woss,
)
from processes.operation import Operation, sample_size


def not_spiking(network: Network) -> list[NotSpiking]:
    """The list for one network; what it has not is not in it."""
    fixed = network.about.get("precision") == "fixed"
    bits = f"of up to {CHIPS[network.about['chip']].graded_bits} bits" if fixed else "in floating point"
    host = "scales and rounds it to an integer" if fixed else "passes it on as it is"
    ops = [node.op for _, node in network]
    graded = [op for op in ops if isinstance(op, Woss) and op.race is None]
    raced = [op for op in ops if isinstance(op, Woss) and op.race is not None]
    before = network.about.get("host")
    entries = [
        *([_said("Before the input", f"{before}; token numbers become the network's input", 0)] if before else []),
        _said(
            "Input",
            f"one number per value at the first step; the host {host}, and neurons turn it into spikes",
            sample_size(network.input_shape),
        ),
        _entry(
            "Residual streams",
            f"branches add up as potentials, not coded again; each is sent as one graded spike {bits}",
            [op for op in ops if isinstance(op, Residual)],
            _values,
        ),
        _entry(
            "LayerNorm, centring",
            "a neuron averages a row's graded spikes and sends the mean back; centred potentials are sent on",
            [op for op in ops if isinstance(op, Centre)],
            _values_and_rows,
        ),
        _entry(
            "Softmax, finding the winner",
            "each neuron of a row sends its potential, an inhibitory neuron the largest back; two steps",
            graded,
            _values_and_rows,
        ),
        _entry(
            "Softmax, finding the winner",
            "a falling threshold finds the first neurons by binary spikes; only these send their potential",
            raced,
            _rows,
        ),
        _entry(
            "Softmax, the largest of a row",
            "each neuron of a row sends its potential, an inhibitory neuron the largest back; two steps",
            [op for op in ops if isinstance(op, SiExp) and op.clock is not None],
            _values_and_rows,
        ),
        _entry(
            "Softmax, the row's sum",
            "the sum of a row's exponentials is the threshold of its SI-norm neurons; it reaches them as a number",
            [op for op in ops if isinstance(op, SiNorm)],
            _rows,
        ),
        _entry(
            "Products of activations",
            "spikes start every addition, but what is added is a stored trace, a number, not a fixed weight",
            [op for op in ops if isinstance(op, (TraceProduct, SquareSum))],
        ),
        _entry(
            "Divisions",
            "a row's sum multiplies the thresholds of its neurons at every step; it reaches them as a number",
            [op for op in ops if isinstance(op, DynamicThreshold)],
            _rows,
        ),
        _entry(
            "Readout",
            "the last layer's potentials, read by the host",
            [op for op in ops if isinstance(op, Readout)],
            _values,
        ),
        _entry(
            "Routes",
            "reshape, transpose, select and the like are wiring: no neuron, no time step",
            [op for op in ops if isinstance(op, Route)],
        ),
    ]
    return [entry for entry in entries if entry.nodes]


def _entry(
    what: str, why: str, ops: Sequence[Operation], numbers: Callable[[Operation], int] = lambda op: 0
) -> NotSpiking:
    return NotSpiking(what=what, why=why, nodes=len(ops), numbers_per_sample=sum(numbers(op) for op in ops))


def _said(what: str, why: str, numbers: int) -> NotSpiking:
    return NotSpiking(what=what, why=why, nodes=1, numbers_per_sample=numbers)


def _values(op: Operation) -> int:
    return sample_size(op.shape)


def _rows(op: Operation) -> int:
    return math.prod(op.shape[:-1])


def _values_and_rows(op: Operation) -> int:
    return _values(op) + _rows(op)
