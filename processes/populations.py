"""What a network occupies: populations of neurons, and how each one's operands reach it.

This is the structure that placement on a chip, an architecture simulator and cost models need: neurons, fan-in,
fan-out, stored numbers and state, read off the operations' shapes and the routes' index maps, so that a network of any
size is described at once.

A population is an operation that holds potentials. It is laid out as rows x columns (tokens x features, or positions x
channels), plus the neurons that serve a row as a whole: LayerNorm's mean and sum of squares, softmax's winner and sum.
Synapses and products are the connections into the population that integrates their currents; routes are wiring. What
an operation's neurons hold and how its operands reach them it says itself (:mod:`processes.footprint`).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch

from processes.chips import widths_of
from processes.footprint import Amount, Fan, Neurons, fans, layout, neurons
from processes.network import Network
from processes.operation import Operation
from processes.routing import Route, apply


@dataclass(frozen=True)
class Connection:
    """How one operand reaches a population.

    Attributes:
        source: name of the population that sends, or ``input``. Its relays send in a softmax's gather, its row neurons
            in a spread.
        operand: the node whose output arrives, routes included.
        via: the synapse or product between them; the reader itself where messages arrive as they are.
        kind: dense, convolution, scale, trace, sum or message; gather, potentials to a row's own neuron; spread, from
            there to the row's neurons.
        fan_in: synapses of one neuron (of one row neuron, if ``to_row``).
        inputs: distinct source neurons that a tile listens to, at most.
        stored: numbers that a tile stores where rows share weights (operands share traces), of ``bits`` bits.
        reach: rows and columns of the reader in which one source neuron has synapses, at most.
        to_row: whether the connection ends in the row neurons.
        share: fraction of the source's neurons that this operand takes.
        copies: how often routes repeat one of the source's neurons in the operand, at most.
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
    copies: int = 1

    @property
    def fan_out(self) -> int:
        """Synapses of one source neuron, at most."""
        return self.reach[0] * self.reach[1] * self.copies

    @property
    def unrolled(self) -> Amount:
        """Numbers that a tile stores where every synapse has its own memory, instead of sharing weights or traces."""
        return Amount(row=self.fan_in) if self.to_row else Amount(neuron=self.fan_in)


@dataclass(frozen=True)
class Population:
    """The neurons of one operation.

    Attributes:
        name, op: name and operation of the node.
        rows, columns: layout of the neurons.
        group: rows in sequence that share the second operand of a product; all rows where no product sends to them.
        channels_first: whether rows are images' pixels and columns channels of a sample (images, channels, height, width).
        row_neurons: neurons that serve a row as a whole, per row.
        relays: neurons beside each neuron that send its potential to the row neuron: a neuron has one list of targets,
            and softmax's potentials do not go where its spikes go.
        state: words of state, thresholds and tables, 32 bits each.
        connections: how operands and row neurons reach the population.
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
        """Number of neurons, row neurons and relays included."""
        return self.neurons_of(self.rows, self.columns)

    def neurons_of(self, rows: int, columns: int) -> int:
        """Number of neurons of a tile of so many rows and columns, row neurons and relays included."""
        return rows * (columns * (1 + self.relays) + self.row_neurons)

    @property
    def synapses(self) -> int:
        """Number of synapses into the population, each counted even where weights are shared."""
        return sum(c.unrolled.of(self.rows, self.columns) for c in self.connections)


def populations(network: Network) -> list[Population]:
    """Populations of all operations that hold potentials, in the network's order.

    Raises:
        Refused: an operation does not say what neurons it takes or how they are connected.
        DeployError: there is no table of widths for the network's chip.
    """
    return [_population(network, name) for name, node in network if holds_state(node.op)]


def holds_state(op: Operation) -> bool:
    """Whether an operation is a population: it is no route, and sends no currents."""
    return not isinstance(op, Route) and op.emits != "currents"


def _population(network: Network, name: str) -> Population:
    op, inputs = network[name], network.nodes[name].inputs
    own = neurons(op, len(inputs))
    channels_first = len(op.shape) == 4 and "pixels" in _layouts(network, inputs)
    columns = op.shape[1 if channels_first else -1] if op.shape else 1
    rows = math.prod(op.shape) // columns
    product = "groups" in _layouts(network, tuple(network.origin(source) for source in inputs))
    connections = [c for i, s in enumerate(inputs) for c in _connections(network, name, i, s, columns, own)]
    return Population(
        name,
        op,
        rows,
        columns,
        op.shape[-2] if product and len(op.shape) > 1 else rows,
        channels_first,
        int(own.row_neuron),
        int(own.gathers == "potentials"),
        own.state,
        (*connections, *_within(network, name, columns, own)),
    )


def _layouts(network: Network, names: tuple[str, ...]) -> set[str]:
    """Layouts that the nodes in ``names`` give to their readers; the network's input gives none."""
    return {layout(network[name]) for name in names if name != Network.INPUT}


def _within(network: Network, name: str, columns: int, own: Neurons) -> list[Connection]:
    """Connections within a population: messages to and from its row neurons, for means, winners and sums."""
    if not own.row_neuron:
        return []
    nothing = Amount()
    spread = Connection(name, name, name, "spread", 1, nothing, nothing, 0, (1, columns))
    if own.gathers is None:
        return [spread]
    operand = network.nodes[name].inputs[0] if own.gathers == "operand" else name
    source = network.origin(operand)
    return [Connection(source, operand, name, "gather", columns, nothing, nothing, 0, (1, 1), to_row=True), spread]


def _connections(
    network: Network, reader: str, index: int, operand: str, columns: int, own: Neurons
) -> list[Connection]:
    """How operand ``index`` of ``reader`` reaches it: as messages, or by a synapse or product that sends currents."""
    chip, via = widths_of(network.header.chip), network.origin(operand)
    if via == Network.INPUT or network[via].emits != "currents":
        via, arriving = reader, [(index, operand)]
    else:
        arriving = list(enumerate(network.nodes[via].inputs))
    return [
        _connection(network, source, via, fan, fan.to_row or index == own.row_operand)
        for number, source in arriving
        for fan in fans(network[via], number, network.shape(source), columns, chip)
    ]


def _connection(network: Network, source: str, via: str, fan: Fan, to_row: bool) -> Connection:
    origin = network.origin(source)
    places = wiring(network, source)
    taken = np.bincount(places[places >= 0], minlength=math.prod(network.shape(origin)))
    return Connection(
        origin, source, via, fan.kind, fan.fan_in, fan.inputs, fan.stored, fan.bits, fan.reach, to_row,
        float(np.mean(taken > 0)), int(taken.max()),
    )  # fmt: skip


def wiring(network: Network, operand: str) -> np.ndarray:
    """Flat index of every value of ``operand`` in the output of the node before the routes, int64; -1 is padding."""
    routes: list[Route] = []
    while operand != Network.INPUT and isinstance(route := network[operand], Route):
        routes.insert(0, route)
        operand = network.nodes[operand].inputs[0]
    shape = network.shape(operand)
    numbered = torch.arange(1, math.prod(shape) + 1).reshape(shape)
    for route in routes:
        numbered = apply(numbered, route.chain, 0)
    return numbered.contiguous().numpy() - 1
