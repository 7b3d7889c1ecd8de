"""What a network occupies: populations of neurons, and how each one's operands reach it.

This is the structure that placement on a chip, an architecture simulator and cost models need: neurons, fan-in, fan-out,
stored numbers and state, read off the operations' shapes alone, so that a network of any size is described at once.

A population is an operation that holds potentials. It is laid out as rows x columns (tokens x features, or positions x
channels), plus the neurons that serve a row as a whole: LayerNorm's mean and sum of squares, softmax's winner and sum.
Synapses and products are the connections into the population that integrates their currents; routes are wiring.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from processes.chips import CHIPS
from processes.dynamic_threshold import DynamicThreshold
from processes.errors import DeployError
from processes.network import Network
from processes.operation import Operation
from processes.phase_neuron import PhaseNeuron
from processes.phase_neuron.schedule import FixedSchedule
from processes.rate_neuron import RateNeuron
from processes.readout import Readout
from processes.residual import Centre, Residual
from processes.routing import Route
from processes.si_exp import SiExp
from processes.si_neuron import SiNeuron
from processes.si_norm import SiNorm
from processes.synapse import ConvSynapse, DenseSynapse, ScaleSynapse
from processes.trace_product import SquareSum, TraceProduct
from processes.woss import Woss

WORD_BITS = 32  # of neuron state and tables; ours: a 24-bit potential or a mantissa with its shift


class Amount(NamedTuple):
    """A quantity of a tile of r rows by c columns: core + row r + column c + neuron r c."""

    core: int = 0
    row: int = 0
    column: int = 0
    neuron: int = 0

    def of(self, rows: int, columns: int) -> int:
        """The quantity of a tile."""
        return self.core + self.row * rows + self.column * columns + self.neuron * rows * columns


@dataclass(frozen=True)
class Connection:
    """How one operand reaches a population.

    Attributes:
        source: name of the population that sends, or ``input``; its relays in a softmax's gather, its row neurons in a
            spread.
        operand: the node whose output arrives, routes included.
        via: the synapse or product between them; the reader itself where messages arrive as they are.
        kind: dense, convolution, scale, trace, sum or message; gather, potentials to a row's own neuron; spread, from there
            to the row's neurons.
        fan_in: synapses of one neuron (of one row neuron, if ``to_row``).
        inputs: distinct source neurons that a tile listens to, at most.
        stored: numbers that a tile stores where rows share weights (operands share traces), of ``bits`` bits.
        reach: rows and columns of the reader in which one source neuron has synapses, at most.
        to_row: whether it ends in the row's own neurons.
        share: fraction of the source's neurons that this operand takes.
    """

    source: str
    operand: str
    via: str
    kind: str
    fan_in: int
    inputs: Amount
    stored: Amount
    bits: int
    reach: tuple[int, int]
    to_row: bool = False
    share: float = 1.0

    @property
    def fan_out(self) -> int:
        """Synapses of one source neuron, at most."""
        return self.reach[0] * self.reach[1]

    @property
    def unrolled(self) -> Amount:
        """The same as ``stored`` where every synapse has its own memory."""
        return Amount(row=self.fan_in) if self.to_row else Amount(neuron=self.fan_in)


@dataclass(frozen=True)
class Population:
    """Neurons of one operation.

    Attributes:
        name, op: its node.
        rows, columns: layout; ``group`` rows in a sequence share the second operand of a product.
        channels_first: whether rows are pixels and columns channels of a (1, channels, height, width) sample.
        row_neurons: neurons that serve a row as a whole.
        relays: neurons beside each one that send its potential to the row's own: a neuron has one list of targets, and
            softmax's potentials do not go where its spikes go.
        state: words of state, thresholds and tables, 32 bits each.
        connections: what reaches it.
    """

    name: str
    op: Operation
    rows: int
    columns: int
    group: int
    channels_first: bool
    row_neurons: int
    relays: int
    state: Amount
    connections: tuple[Connection, ...]

    @property
    def neurons(self) -> int:
        """All of them, row neurons and relays included."""
        return self.neurons_of(self.rows, self.columns)

    def neurons_of(self, rows: int, columns: int) -> int:
        """Neurons of a tile."""
        return rows * (columns * (1 + self.relays) + self.row_neurons)

    @property
    def synapses(self) -> int:
        """Synapses into it, each counted for itself."""
        return sum(c.unrolled.of(self.rows, self.columns) for c in self.connections)


PLAIN = (PhaseNeuron, RateNeuron, Residual, Readout, SiNeuron)  # no neurons beside their values
SERVED = (DynamicThreshold, Woss, Centre, SiExp, SiNorm)  # a neuron of its own for each row


def populations(network: Network) -> list[Population]:
    """Every operation that holds potentials, in the network's order.

    Raises:
        DeployError: an operation whose connections are not known here.
    """
    return [_population(network, name) for name, node in network if holds_state(node.op)]


def finds_largest(op: Operation) -> bool:
    """Whether its neurons send their potentials to their row's own neuron, which sends the largest back."""
    return isinstance(op, (Woss, SiExp)) and not _published(op)


def _published(op: Operation) -> bool:
    """SI-exp of potentials as they are: no row, no largest."""
    return isinstance(op, SiExp) and op.clock is None


def holds_state(op: Operation) -> bool:
    """Whether an operation is a population: neither wiring nor connections."""
    return not isinstance(op, Route) and op.emits != "currents"


def _population(network: Network, name: str) -> Population:
    op, inputs = network[name], network.nodes[name].inputs
    if not isinstance(op, PLAIN + SERVED):
        raise DeployError(f"'{name}': what neurons a {op.name} takes is not known; it cannot be placed")
    behind = [network[s] if s != Network.INPUT else None for s in inputs]
    channels_first = len(op.shape) == 4 and any(isinstance(b, ConvSynapse) for b in behind)
    rows = math.prod(op.shape[-2:]) if channels_first else math.prod(op.shape[:-1])
    columns = math.prod(op.shape) // rows
    origins = [network.origin(s) for s in inputs]
    product = any(o != Network.INPUT and isinstance(network[o], TraceProduct) for o in origins)
    connections = [c for i, s in enumerate(inputs) for c in _connections(network, name, i, s, columns)]
    return Population(
        name,
        op,
        rows,
        columns,
        op.shape[-2] if product and len(op.shape) > 1 else rows,
        channels_first,
        int(isinstance(op, SERVED) and not _published(op)),
        int(finds_largest(op)),
        _state(op, len(inputs)),
        (*connections, *_within(network, name, columns)),
    )


def _by_prefix(after: np.ndarray | None) -> int:
    """Thresholds of further spikes of one class of neurons, by what was sent."""
    return 0 if after is None else after[0].size


def _state(op: Operation, operands: int) -> Amount:
    """Words of a population: potentials per neuron, thresholds per column, tables over k once."""
    match op:
        case PhaseNeuron():
            tables = sum(table.shape[-1] for table in op.schedule.tables)  # one row of each per scale class
            tables += _by_prefix(op.schedule.after) if isinstance(op.schedule, FixedSchedule) else 0
            return Amount(core=tables, column=1 + (op.latest is not None), neuron=1 + (op.spikes > 1))
        case DynamicThreshold():
            return Amount(core=op.steps, row=1, column=1 + (op.latest is not None), neuron=1 + (op.spikes > 1))
        case Woss():
            tables = op.ramp.shape[-1] + (op.latest is not None) + _by_prefix(op.after)
            return Amount(core=tables, row=1, neuron=1 + (op.spikes > 1))
        case SiExp():
            return Amount(core=sum(table.shape[-1] for table in op.tables.arrays), row=1, neuron=1)
        case SiNeuron():
            return Amount(core=2 * op.steps, neuron=1)
        case SiNorm():
            return Amount(row=1, neuron=3)  # the digits that it heard, what they spell, and the potential
        case Residual():
            return Amount(column=1 + operands, neuron=operands)
        case Centre():
            return Amount(row=1, neuron=1)
    return Amount(neuron=1)


def _within(network: Network, name: str, columns: int) -> list[Connection]:
    """Messages to and from a row's own neuron: means, winners and sums. Centre's mean hears what Centre hears."""
    op, nothing = network[name], Amount()
    if not isinstance(op, SERVED) or _published(op):
        return []
    spread = Connection(name, name, name, "spread", 1, nothing, nothing, 0, (1, columns))
    if isinstance(op, (DynamicThreshold, SiNorm)):
        return [spread]
    operand = network.nodes[name].inputs[0] if isinstance(op, Centre) else name
    source = network.origin(operand)
    return [Connection(source, operand, name, "gather", columns, nothing, nothing, 0, (1, 1), to_row=True), spread]


def _connections(network: Network, reader: str, index: int, operand: str, columns: int) -> list[Connection]:
    """How operand ``index`` of ``reader`` reaches it."""
    chip = CHIPS[network.about.get("chip", "loihi2")]
    op, via = network[reader], network.origin(operand)

    def make(
        source: str, kind: str, fan_in: int, inputs: Amount, stored: Amount, bits: int, reach: tuple[int, int],
        to_row: bool = isinstance(op, DynamicThreshold) and index == 1,
    ) -> Connection:  # fmt: skip
        origin = network.origin(source)
        share = min(1.0, math.prod(network.shape(source)) / math.prod(network.shape(origin)))
        return Connection(origin, source, via, kind, fan_in, inputs, stored, bits, reach, to_row, share)

    if via == Network.INPUT or network[via].emits != "currents":
        via, length = reader, network.shape(operand)[-1]
        one = (Amount(core=1), chip.weight_bits, (1, 1))
        if isinstance(op, SiNorm):  # the row's neuron listens in; digits and steps are spelled by a table
            one = (Amount(core=op.output.size), WORD_BITS, (1, 1))
            listens = make(operand, "sum", length, Amount(row=length), *one, to_row=True)
            return [make(operand, "message", 1, Amount(), *one), listens]
        if isinstance(op, DynamicThreshold) and index == 1:
            return [make(operand, "sum", length, Amount(row=length), *one)]
        return [make(operand, "message", 1, Amount(neuron=1), *one)]
    between, sources = network[via], network.nodes[via].inputs
    match between:
        case DenseSynapse():
            outputs, inputs = between.weight.shape
            stored = Amount(column=inputs)
            return [make(sources[0], "dense", inputs, Amount(row=inputs), stored, chip.weight_bits, (1, outputs))]
        case ConvSynapse():
            outputs, fan_in = len(between.weight), between.weight[0].size
            reach = math.prod(-(-k // s) for k, s in zip(between.weight.shape[2:], between.stride, strict=True))
            listens = Amount(row=fan_in) if between.groups == 1 else Amount(neuron=fan_in)
            stored = Amount(column=fan_in)
            targets = (reach, outputs // between.groups)
            return [make(sources[0], "convolution", fan_in, listens, stored, chip.weight_bits, targets)]
        case ScaleSynapse():
            pooled = math.prod(network.shape(sources[0])) // math.prod(between.shape)
            stored = Amount(column=-(-between.weight.size // columns))
            return [make(sources[0], "scale", pooled, Amount(neuron=pooled), stored, chip.weight_bits, (1, 1))]
        case TraceProduct():
            length = network.shape(sources[0])[-1]
            group, width = between.shape[-2:]
            bits = chip.trace_bits
            a, b = Amount(row=length), Amount(column=length)
            return [
                make(sources[0], "trace", length, a, a, bits, (1, width)),
                make(sources[1], "trace", length, b, b, bits, (group, 1)),
            ]
        case SquareSum():
            length = network.shape(sources[0])[-1]
            each = Amount(row=length)
            return [make(sources[0], "trace", length, each, each, chip.trace_bits, (1, 1))]
    raise DeployError(f"'{via}': how operation '{between.name}' connects its neurons is not known; it cannot be placed")
