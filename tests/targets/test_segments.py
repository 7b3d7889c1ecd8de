"""LIF segments for Loihi emulators: our side of them, and what an emulator cannot hold."""

from __future__ import annotations

import numpy as np
import pytest

from processes import lif
from processes.errors import DeployError
from targets.segments import Layer, emulate, step_through
from targets.tools import BRIAN2_LOIHI, NENGO_LOIHI


def layer(weight: list[list[int]], **neuron: object) -> Layer:
    parameters: dict = {"du": 4095, "dv": 0, "vth": 10} | neuron
    return Layer("fc", np.array(weight, np.int64), lif.LIF(**parameters))


def test_a_spike_reaches_the_next_population_one_step_later() -> None:
    chain = [layer([[64 * 11]]), layer([[64 * 11]])]
    spikes = np.array([[0], [1], [0], [0]], bool)
    first, second = step_through(chain, spikes)
    assert first.spikes[:, 0].tolist() == [False, True, False, False]
    assert second.spikes[:, 0].tolist() == [False, False, True, False]
    assert first.v[:, 0].tolist() == [0, 0, 0, 0]


@pytest.mark.parametrize(
    "tool, bad, message",
    [
        (BRIAN2_LOIHI, layer([[100]]), "no 8-bit mantissas times a power of two of at least 64"),
        (NENGO_LOIHI, layer([[64 * 257]]), "no 8-bit mantissas"),
        (BRIAN2_LOIHI, layer([[64], [64]], vth=np.array([5, 6])), "one vth a population"),
        (BRIAN2_LOIHI, layer([[64]], bias=3), "has no bias"),
    ],
)
def test_what_an_emulator_cannot_hold_is_refused_before_it_starts(tool, bad: Layer, message: str) -> None:
    with pytest.raises(DeployError, match=message):
        emulate(tool, [bad], np.ones((2, 1), bool))
