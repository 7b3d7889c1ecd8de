"""Sets of the state that nodes hold for one sample: with a second set, the next sample begins before the first is done.

A set is potentials and traces. Thresholds, tables and weights are the same for every sample and belong to no set.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from processes.footprint import WORD_BITS, Amount
from processes.populations import Population


def state_bits(population: Population) -> dict[str, int]:
    """Bits of one set, by the node that holds them: the population, and products whose currents it integrates."""
    bits = {population.name: _whole(population, _potentials(population.state)) * WORD_BITS}
    for connection in population.connections:
        if connection.kind == "trace":
            traces = _whole(population, connection.stored) * connection.bits
            bits[connection.via] = bits.get(connection.via, 0) + traces
    return bits


def with_sets(population: Population, sets: Mapping[str, int]) -> Population:
    """The population with as many sets as ``sets`` gives, by name, its node and products that it integrates; else 1."""
    state, number = population.state, sets.get(population.name, 1)
    connections = tuple(
        replace(c, stored=Amount(*(sets.get(c.via, 1) * part for part in c.stored))) if c.kind == "trace" else c
        for c in population.connections
    )
    state = Amount(state.core, number * state.row, state.column, number * state.neuron)
    return replace(population, state=state, connections=connections)


def _potentials(state: Amount) -> Amount:
    """The words of a set: those per row and per neuron; thresholds and tables are per column or per core."""
    return Amount(row=state.row, neuron=state.neuron)


def _whole(population: Population, amount: Amount) -> int:
    """The quantity of all tiles of a population together; columns are stored once for each group of rows."""
    rows, columns = population.rows, population.columns
    groups = rows // population.group
    return amount.row * rows + amount.column * columns * groups + amount.neuron * rows * columns
