"""NIR's neurons: one affine recurrence for all of them, then a threshold.

With x the input of a time step, in floating point::

    v <- a_v v + c_i i + c_x x + b          i the current before the step (CubaLI, CubaLIF)
    i <- a_i i + b_x x
    spike if v > threshold, and then
        v <- v_reset                        of resets "v_reset"
        v <- v - (threshold - v_reset)      of resets "subtract"; of "delayed" ones at the next step, after the decay

The coefficients come from NIR's differential equations and the step dt:

* ``euler``: v <- v + dt/tau (v_leak - v + r x), and v <- v + dt r x of I and IF. Of the two equations of CubaLI and
  CubaLIF, the current's goes first and the potential's uses the new current, as snnTorch, Lava and Loihi do.
* ``exact``: the solution of the equations at t + dt for an input that is constant during the step.

All states are initially 0. In fixed point the neurons are Loihi's (:mod:`processes.lif`): r, dt/tau and w_in are folded
into the weights in front, b becomes the bias, and the graded output of I, LI and CubaLI is v.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import nir
import numpy as np

from processes import lif

Method = Literal["euler", "exact"]
Reset = Literal["v_reset", "subtract", "delayed"]


@dataclass(frozen=True)
class Coefficients:
    """The coefficients of a neuron's recurrence, arrays that broadcast with the population.

    v <- a_v v + c_i i + c_x x + b and i <- a_i i + b_x x; a_i, c_i and b_x are None for neurons without a current.
    """

    a_v: np.ndarray
    c_x: np.ndarray
    b: np.ndarray
    a_i: np.ndarray | None = None
    c_i: np.ndarray | None = None
    b_x: np.ndarray | None = None


def coefficients(node: nir.NIRNode, dt: float, method: Method) -> Coefficients:
    """The recurrence of an I, IF, LI, LIF, CubaLI or CubaLIF node; ``dt`` is in the unit of its time constants."""
    p: Any = node
    r = np.asarray(p.r, np.float64)
    if isinstance(node, (nir.I, nir.IF)):
        return Coefficients(np.ones_like(r), dt * r, np.zeros_like(r))
    leak = np.asarray(p.v_leak, np.float64)
    if isinstance(node, (nir.LI, nir.LIF)):
        rate = _rate(p.tau, dt, method)
        return Coefficients(1 - rate, rate * r, rate * leak)
    rate, rate_i = _rate(p.tau_mem, dt, method), _rate(p.tau_syn, dt, method)
    gain = np.asarray(p.w_in, np.float64) * rate_i
    if method == "euler":
        held = rate * (1 - rate_i)
    else:
        held = _shared(np.asarray(p.tau_mem, np.float64), np.asarray(p.tau_syn, np.float64), dt)
    # i(t) = w x + (i - w x) e^(-t/tau_syn): the first part acts with `rate`, the second with `held`
    from_input = r * rate * gain if method == "euler" else r * np.asarray(p.w_in, np.float64) * (rate - held)
    return Coefficients(1 - rate, from_input, rate * leak, 1 - rate_i, r * held, gain)


def _rate(tau: np.ndarray, dt: float, method: Method) -> np.ndarray:
    """The fraction of its distance from rest by which a state decays in a step: dt / tau, or 1 - exp(-dt / tau)."""
    ratio = dt / np.asarray(tau, np.float64)
    return ratio if method == "euler" else -np.expm1(-ratio)


def _shared(mem: np.ndarray, syn: np.ndarray, dt: float) -> np.ndarray:
    """tau_syn / (tau_syn - tau_mem) (e^(-dt/tau_syn) - e^(-dt/tau_mem)), and its limit for equal time constants."""
    near = np.abs(mem - syn) < 1e-6 * mem
    with np.errstate(divide="ignore", invalid="ignore"):
        apart = syn / (syn - mem) * (np.exp(-dt / syn) - np.exp(-dt / mem))
    return np.where(near, dt / mem * np.exp(-dt / mem), apart)


@dataclass
class Neuron:
    """A population in floating point, which sends spikes 0 and 1, or v itself if ``threshold`` is None.

    Attributes:
        of: the coefficients of the recurrence.
        shape: of one sample.
        threshold, v_reset: broadcast with the population; None for neurons that do not fire.
        how: what a spike does to v.
        v, i: membrane potential after resets, and current, float64 (samples, *shape).
        owed: the amount that delayed resets subtract at the next step.
        peak: the largest |v| before resets.
    """

    of: Coefficients
    shape: tuple[int, ...]
    threshold: np.ndarray | None = None
    v_reset: np.ndarray | None = None
    how: Reset = "v_reset"
    overflows: int = 0

    def __post_init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        """Set all states to 0, and clear ``owed`` and ``peak``."""
        self.v = self.i = np.zeros((1, *self.shape))
        self.owed: np.ndarray | float = 0.0
        self.peak = 0.0

    def step(self, x: np.ndarray | None) -> np.ndarray | None:
        """Spikes (samples, *shape), None if nothing fires, or potentials, of one time step with input ``x``."""
        of, drive = self.of, 0.0 if x is None else x
        v = of.a_v * self.v + of.c_x * drive + of.b - self.owed
        if of.a_i is not None:
            assert of.c_i is not None and of.b_x is not None
            v = v + of.c_i * self.i
            self.i = of.a_i * self.i + of.b_x * drive
        self.peak = max(self.peak, float(np.abs(v).max()))
        if self.threshold is None:
            self.v = v
            return v
        spikes = v > self.threshold
        assert self.v_reset is not None
        if self.how == "delayed":
            self.v, self.owed = v, np.where(spikes, self.threshold - self.v_reset, 0.0)
        else:
            self.v = np.where(spikes, v - self.threshold + self.v_reset if self.how == "subtract" else self.v_reset, v)
        return spikes.astype(np.float64) if spikes.any() else None


@dataclass
class FixedNeuron:
    """A population of Loihi's integer LIF neurons, which sends spikes 0 and 1, or v if ``fires`` is False.

    Its input is int64 in units of u. ``peak`` is the largest |v| before resets.
    """

    neuron: lif.LIF
    shape: tuple[int, ...]
    fires: bool
    overflows: int = 0

    def __post_init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        """Set all states to 0, and clear ``overflows`` and ``peak``."""
        self.state = self.neuron.rest((1, *self.shape))
        self.overflows, self.peak = 0, 0.0

    @property
    def v(self) -> np.ndarray:
        """Membrane potentials after resets, int64 (samples, *shape)."""
        return self.state.v

    def step(self, x: np.ndarray | None) -> np.ndarray | None:
        """Spikes, None if nothing fires, or potentials, int64 (samples, *shape), of one time step."""
        self.state = lif.integrate(self.neuron, self.state, 0 if x is None else x)
        self.overflows += self.state.overflows
        self.peak = max(self.peak, float(np.abs(self.state.v).max()))
        if not self.fires:
            return self.state.v
        self.state, spikes = lif.fire(self.neuron, self.state)
        return spikes.astype(np.int64) if spikes.any() else None
