"""What nodes hold of a sample, counted by hand, and what a second set of it adds."""

from __future__ import annotations

from collections import Counter

import pytest

from processes.chips import LOIHI2
from processes.footprint import WORD_BITS
from processes.network import Network, Residual
from processes.populations import populations
from processes.state_sets import state_bits, with_sets
from processes.trace_product import TraceProduct
from tests.targets.test_placement import small_network


@pytest.fixture(scope="module")
def network() -> Network:
    return small_network()


def size(shape: tuple[int, ...]) -> int:
    found = 1
    for length in shape:
        found *= length
    return found


def test_a_residual_holds_a_potential_for_each_operand_and_a_product_a_trace_for_each_value(network: Network) -> None:
    bits: Counter[str] = Counter()
    for population in populations(network):
        bits.update(state_bits(population))
    seen = 0
    for name, node in network:
        shapes = [network.shape(source) for source in node.inputs]
        if isinstance(node.op, Residual):
            assert bits[name] == len(shapes) * size(node.op.shape) * WORD_BITS
        elif isinstance(node.op, TraceProduct):
            assert bits[name] == sum(map(size, shapes)) * LOIHI2.trace_bits
        else:
            continue
        seen += 1
    assert seen > 3


def test_another_set_adds_what_is_held_and_nothing_else(network: Network) -> None:
    for population in populations(network):
        own = state_bits(population)
        assert with_sets(population, {}) == population
        for name, bits in own.items():
            more = state_bits(with_sets(population, {name: 3}))
            assert more == own | {name: 3 * bits}
        twice = with_sets(population, dict.fromkeys(own, 2)).state
        assert (twice.core, twice.column) == (population.state.core, population.state.column)  # tables and thresholds
