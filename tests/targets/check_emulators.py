"""``make targets-check``: Loihi emulators against our fixed-point LIF neurons, spike for spike and state for state."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from processes import lif
from targets.segments import Layer, Trace, emulate, step_through
from targets.tools import BRIAN2_LOIHI, NENGO_LOIHI, Tool

STEPS = 300


def segment(seed: int, slowest: int = 1) -> tuple[list[Layer], np.ndarray]:
    """Two or three populations of 8 to 40 neurons with slow and fast decays, and the host's spikes."""
    rng = np.random.default_rng(seed)
    sizes = rng.integers(8, 41, rng.integers(3, 5))
    layers = []
    for i, (sources, neurons) in enumerate(itertools.pairwise(sizes)):
        weight = rng.integers(-100, 180, (neurons, sources)) << int(rng.integers(6, 8))
        parameters = {"du": int(rng.choice([500, 2000, 4095])), "dv": int(rng.choice([slowest, 163, 2048, 4095]))}
        layers.append(Layer(f"fc{i}", weight, lif.LIF(vth=int(rng.integers(100, 600)), **parameters)))
    return layers, rng.random((STEPS, sizes[0])) < 0.1


def differing(tool: Tool, layers: list[Layer], spikes: np.ndarray) -> tuple[list[Trace], list[int], list[int]]:
    """Our traces, and how many spikes and voltages of each population differ."""
    ours = step_through(layers, spikes)
    assert all(trace.spikes.any() for trace in ours)
    theirs = emulate(tool, layers, spikes)
    pairs = list(zip(ours, theirs, strict=True))
    return ours, [int((a.spikes != b.spikes).sum()) for a, b in pairs], [int((a.v != b.v).sum()) for a, b in pairs]


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("tool", [BRIAN2_LOIHI, NENGO_LOIHI], ids=lambda tool: tool.name)
def test_emulator_agrees_in_every_spike_and_every_voltage(tool: Tool, seed: int) -> None:
    ours, spikes, voltages = differing(tool, *segment(seed))
    assert not any(trace.overflows for trace in ours)
    assert not any(spikes) and not any(voltages)


def test_where_voltages_saturate_nengo_loihi_agrees_and_brian2_loihi_does_not() -> None:
    """brian2-loihi has no limits: neither clips nor wraps."""
    pump = [Layer("fc", np.array([[-(200 << 9)]]), lif.LIF(du=4095, dv=0, vth=100))]
    pump.append(Layer("out", np.array([[64 * 200]]), lif.LIF(du=4095, dv=0, vth=100)))
    drive = np.ones((STEPS, 1), bool)
    ours = step_through(pump, drive)
    assert ours[0].overflows and ours[0].v.min() == -(2**23 - 1)
    nengo, brian = (emulate(tool, pump, drive) for tool in (NENGO_LOIHI, BRIAN2_LOIHI))
    assert np.array_equal(nengo[0].v, ours[0].v)
    assert brian[0].v.min() < ours[0].v.min()
