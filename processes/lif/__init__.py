"""Leaky integrate-and-fire neuron in Loihi's integers.

Per step, with a the synaptic input of the step (weight mantissas summed over the spikes that arrive):

    u <- wrap(decay(u, du + 1) + (a << 6))
    v <- clip(decay(v, dv) + u + bias, +-(2^23 - 1))        bias = bias_mant << bias_exp
    spike if v > (vth << 6), and then v <- v_reset, or v <- v - (vth << 6) + v_reset where resets subtract

    decay(x, d) = sign(x) * ((|x| * (4096 - d)) >> 12)

wrap takes u modulo 2^24 into (-2^23, 2^23]: Loihi's currents wrap around on overflow, while its voltages clip; both
are counted. du = 4095 means that u keeps nothing: the hardware adds 1 to du, and not to dv.

Source: ``PyLifModelBitAcc`` of lava-nc 0.10.0 computes the same numbers. The tests hold this module to it
and to the trace published with the paper on the Neuromorphic Intermediate Representation.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from processes.chips import LOIHI2, Chip
from processes.errors import DeployError
from processes.fixed import decay, saturate, saturated


@dataclass(frozen=True, kw_only=True)
class LIF:
    """Parameters of a population of Loihi's LIF neurons, ints or arrays that broadcast with its shape.

    Attributes:
        du: current decay, 0 .. 4095 in units of 1/4096; du + 1 is applied.
        dv: voltage decay, 0 .. 4095 in units of 1/4096.
        vth: threshold in units of 2^6 of v, 0 .. 2^17 - 1.
        bias: added to v at every step, in units of v (the chip's bias_mant << bias_exp).
        v_reset: v after a spike, in units of v.
        subtract: whether a spike adds ``v_reset`` minus the threshold to v, instead of setting v to ``v_reset``.
        chip: bit widths; the ranges above are those of Loihi 2.

    Raises:
        DeployError: a decay or a threshold outside its range.
    """

    du: Any
    dv: Any
    vth: Any
    bias: Any = 0
    v_reset: Any = 0
    subtract: bool = False
    chip: Chip = LOIHI2

    def __post_init__(self) -> None:
        top = 2**self.chip.decay_bits - 1
        vth_top = self.chip.state_limit >> self.chip.align_bits
        for name, value, limit in (("du", self.du, top), ("dv", self.dv, top), ("vth", self.vth, vth_top)):
            if np.min(value) < 0 or np.max(value) > limit:
                span = f"LIF {name} spans {np.min(value)} .. {np.max(value)}"
                raise DeployError(f"{span}, {self.chip.name} takes 0 .. {limit}; rescale the neuron")

    def rest(self, shape: tuple[int, ...]) -> State:
        """The state before the first step: current and voltage 0, int64 (*shape), no overflows."""
        return State(np.zeros(shape, np.int64), np.zeros(shape, np.int64), 0)


@dataclass(frozen=True)
class State:
    """The state of a population between two steps.

    Attributes:
        u: current, int64.
        v: voltage after reset, int64.
        overflows: currents that wrapped and voltages that clipped in the step that led here.
    """

    u: np.ndarray
    v: np.ndarray
    overflows: int


def step(neuron: LIF, state: State, a: np.ndarray) -> tuple[State, np.ndarray]:
    """Take one time step of the LIF neuron with synaptic input ``a``, integers of the population's shape.

    Returns the next state and the spikes (bool, same shape). ``state`` is not changed.
    """
    after = integrate(neuron, state, np.asarray(a, dtype=np.int64) << neuron.chip.align_bits)
    return fire(neuron, after)


def integrate(neuron: LIF, state: State, current: np.ndarray | int) -> State:
    """The state of the next step before spikes and resets; ``current`` is the synaptic input in units of u, a << 6."""
    chip = neuron.chip
    half, turn = chip.state_limit, 2**chip.state_bits
    u = decay(state.u, neuron.du + 1, chip.decay_bits) + current
    wrapped = (u + half) % turn - half
    v = decay(state.v, neuron.dv, chip.decay_bits) + wrapped + neuron.bias
    overflows = int(np.count_nonzero(wrapped != u)) + saturated(v, chip.state_bits)
    return State(wrapped, saturate(v, chip.state_bits), overflows)


def fire(neuron: LIF, state: State) -> tuple[State, np.ndarray]:
    """The state after spikes and resets, and the spikes (bool, the population's shape), of an integrated state."""
    threshold = neuron.vth << neuron.chip.align_bits
    spikes = state.v > threshold
    reset = state.v - threshold + neuron.v_reset if neuron.subtract else neuron.v_reset
    v = saturate(np.where(spikes, reset, state.v), neuron.chip.state_bits)
    return State(state.u, v, state.overflows), spikes
