"""Lava against the closed form: windows of unequal length, by operation and by block, 0 mismatches in fixed point."""

from __future__ import annotations

import numpy as np
import pytest

import processes.trace_product.lava  # noqa: F401 - Lava comes before whatever starts processes
from evaluator.compare import compare
from targets import lava_sim
from tests.targets.test_placement import massive_feature, uneven_attention, uneven_gates


@pytest.mark.parametrize(
    ("make", "granularity"),
    [
        (uneven_attention, "operation"), (uneven_gates, "operation"), (massive_feature, "operation"),
        (uneven_attention, "block"), *(pytest.param(make, "block", marks=pytest.mark.exhaustive)
                                       for make in (uneven_gates, massive_feature)),
    ],
)  # fmt: skip
def test_unequal_windows(make, granularity: str) -> None:
    network = make()
    samples = np.random.default_rng(1).random((2, *network.input_shape[1:]), np.float32) * 2
    found = compare(network, samples, lava_sim.run(network, samples, granularity))
    assert (found.mismatches, found.first) == (0, None)
    assert found.compared_spikes > 100 and found.compared_potentials > 80
