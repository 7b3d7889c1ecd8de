"""The integer LIF neuron, in plain Python and through Lava, against the NIR paper's trace and Lava's own."""

from __future__ import annotations

import multiprocessing
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from processes.errors import DeployError
from processes.lif import LIF, State, step

if sys.version_info < (3, 11):  # Lava imports on no newer Python
    from lava.magma.core.process.process import AbstractProcess
    from lava.magma.core.run_conditions import RunSteps
    from lava.magma.core.run_configs import Loihi2SimCfg
    from lava.proc.dense.process import Dense
    from lava.proc.io.sink import Read
    from lava.proc.io.sink import RingBuffer as Sink
    from lava.proc.io.source import RingBuffer as Source
    from lava.proc.lif.process import LIF as LavaLIF

    from processes.lif.lava import LoihiLIF

GOLDEN = Path(__file__).parents[1] / "golden" / "nir-paper" / "lif_lava_cpu_fixed.csv"
WEIGHT = 10
NEURON = LIF(du=4095, dv=163, vth=25)


def golden() -> np.ndarray:
    """(1000, 3) int64: input, v after reset, spike."""
    table = np.loadtxt(GOLDEN, delimiter=",")
    assert table.shape == (1000, 3)
    np.testing.assert_array_equal(table, np.rint(table))
    return table.astype(np.int64)


def run(neuron: LIF, inputs: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray, int]:
    """Inputs (steps, n) -> u, v, spikes (steps, n) and the overflows counted."""
    state, rows, overflows = neuron.rest(inputs.shape[1:]), [], 0
    for a in inputs:
        state, spikes = step(neuron, state, a)
        rows.append((state.u, state.v, spikes))
        overflows += state.overflows
    u, v, spikes = (np.array(column) for column in zip(*rows, strict=True))
    return u, v, spikes, overflows


def test_golden_rows_plain() -> None:
    """All 1,000 rows. The table was written behind Lava's Dense, so an input acts one row later."""
    inputs, potentials, spikes = golden().T
    delayed = WEIGHT * np.concatenate([[0], inputs[:-1]])
    _, v, fired, overflows = run(NEURON, delayed[:, None])
    np.testing.assert_array_equal(v[:, 0], potentials)
    np.testing.assert_array_equal(fired[:, 0], spikes)
    assert overflows == 0


def python_step(u: int, v: int, a: int, du: int, dv: int, vth: int, bias: int) -> tuple[int, int, bool, int]:
    """The module's equations once more, by hand, in arbitrary precision."""

    def decayed(x: int, d: int) -> int:
        return (1 if x > 0 else -1) * ((abs(x) * (4096 - d)) >> 12)

    raw = decayed(u, du + 1) + (a << 6)
    u = raw
    while u > 2**23:
        u -= 2**24
    while u <= -(2**23):
        u += 2**24
    full = decayed(v, dv) + u + bias
    v = max(-(2**23) + 1, min(full, 2**23 - 1))
    fired = v > vth << 6
    return u, 0 if fired else v, fired, (u != raw) + (v != full)


@settings(deadline=None)
@given(
    u=st.integers(-(2**23) + 1, 2**23),
    v=st.integers(-(2**23) + 1, 2**23 - 1),
    a=st.integers(-(2**20), 2**20),
    du=st.integers(0, 4095),
    dv=st.integers(0, 4095),
    vth=st.integers(0, 2**17 - 1),
    bias=st.integers(-(2**19), 2**19),
)
def test_step_is_its_equations(u: int, v: int, a: int, du: int, dv: int, vth: int, bias: int) -> None:
    neuron = LIF(du=du, dv=dv, vth=vth, bias=bias)
    before = State(np.array([u]), np.array([v]), 0)
    after, spikes = step(neuron, before, np.array([a]))
    expected = python_step(u, v, a, du, dv, vth, bias)
    assert (after.u[0], after.v[0], spikes[0], after.overflows) == expected
    assert (before.u[0], before.v[0]) == (u, v)


def test_out_of_range_parameters_are_refused() -> None:
    with pytest.raises(DeployError, match=r"dv spans 4096 \.\. 4096, loihi2 takes 0 \.\. 4095"):
        LIF(du=0, dv=4096, vth=1)
    with pytest.raises(DeployError, match=r"vth spans 1 \.\. 131072"):
        LIF(du=0, dv=0, vth=np.array([1, 131072]))


# Through Lava


def lava_only(test: Callable[..., None]) -> Callable[..., None]:
    """Marks of a test that runs Lava."""
    # networkx, which Lava compiles with, says so when pandas is absent.
    quiet = pytest.mark.filterwarnings("ignore:pandas not found:ImportWarning")
    python = pytest.mark.skipif(sys.version_info >= (3, 11), reason="Lava imports on Python 3.10 only")
    return python(quiet(test))


@contextmanager
def running(process: AbstractProcess, steps: int, seconds: int = 60) -> Iterator[None]:
    """``process`` and all that is connected, ``steps`` steps on and its Vars readable; stopped at the end.

    An exception in a ProcessModel leaves Lava waiting for ever, so its children are killed after ``seconds``.
    """

    def give_up(*_: object) -> None:
        for child in multiprocessing.active_children():
            child.kill()
            child.join()
        raise TimeoutError(f"Lava did not finish {steps} steps in {seconds} s")

    previous = signal.signal(signal.SIGALRM, give_up)
    signal.alarm(seconds)
    try:
        process.run(condition=RunSteps(num_steps=steps), run_cfg=Loihi2SimCfg(select_tag="fixed_pt"))
        yield
    finally:
        if multiprocessing.active_children():
            process.stop()
        signal.alarm(0)
        signal.signal(signal.SIGALRM, previous)


def record(neurons: list[Any], steps: int) -> list[tuple[np.ndarray, np.ndarray]]:
    """v and spikes, (steps, n) each, of every neuron Process, all of them connected to one source."""
    sinks = []
    for neuron in neurons:
        spikes, potentials = Sink(shape=neuron.s_out.shape, buffer=steps), Read(buffer=steps)
        neuron.s_out.connect(spikes.a_in)
        potentials.connect_var(neuron.v)
        sinks.append((potentials, spikes))
    with running(neurons[0], steps):
        return [(potentials.data.get().T, spikes.data.get().T) for potentials, spikes in sinks]


@lava_only
def test_golden_rows_through_lava() -> None:
    """All 1,000 rows, our model and Lava's, behind Lava's Dense: its step of delay is the only latency."""
    inputs, potentials, spikes = golden().T
    dense = Dense(weights=np.array([[WEIGHT]]))
    Source(data=inputs[None, :]).s_out.connect(dense.s_in)
    theirs = LavaLIF(shape=(1,), du=NEURON.du, dv=NEURON.dv, vth=NEURON.vth)
    neurons = [LoihiLIF(shape=(1,), neuron=NEURON), theirs]
    for neuron in neurons:
        dense.a_out.connect(neuron.a_in)
    for v, fired in record(neurons, len(inputs)):
        np.testing.assert_array_equal(v[:, 0], potentials)
        np.testing.assert_array_equal(fired[:, 0], spikes)


@lava_only
@pytest.mark.parametrize(("du", "dv", "vth"), [(300, 700, 900), (0, 4000, 40_000), (0, 0, 131_071)])
def test_plain_and_lava_agree(du: int, dv: int, vth: int) -> None:
    """Random inputs of both signs that spike, wrap u and clip v. Without a Dense there is no latency."""
    steps, n = 500, 16
    inputs = np.random.default_rng(du + vth).integers(-400, 1_000, (steps, n)) * (np.arange(n) - n // 2) // 8
    mantissa, exponent = np.arange(n) - n // 2, 5
    neuron = LIF(du=du, dv=dv, vth=vth, bias=mantissa << exponent)
    _, v, spikes, overflows = run(neuron, inputs)
    assert spikes.any()
    assert (overflows > 0) == (du == 0)

    source = Source(data=inputs.T)
    theirs = LavaLIF(shape=(n,), du=du, dv=dv, vth=vth, bias_mant=mantissa, bias_exp=exponent)
    for process in (ours := LoihiLIF(shape=(n,), neuron=neuron)), theirs:
        source.s_out.connect(process.a_in)
    for recorded_v, recorded_spikes in record([ours, theirs], steps):
        np.testing.assert_array_equal(recorded_v, v)
        np.testing.assert_array_equal(recorded_spikes, spikes)
