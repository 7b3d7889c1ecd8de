"""Neurons of trained spiking networks: one rule for those of snnTorch, Norse, SpikingJelly and plain code.

A population has states s_0 .. s_n, of which s_0 is the membrane potential v. With x the input of a time step::

    r = fires(v)                                          of the potential that the step before left
    s <- keep s + gain x + bias                           with the coefficients of ``after``, if there are, where r
    spike = fires(v)                                      v > threshold, or v >= threshold if ``inclusive``
    v <- v - threshold (spike - r)                        if ``reset`` is "subtract"; r = 0 if ``after`` is None
    v <- v_reset where spike                              if ``reset`` is "set"

snnTorch resets at the beginning of the next step: its rules have an ``after`` that includes the reset, and ``reset`` is
"none". SpikingJelly and Norse reset in the step of the spike: their rules have no ``after``.

In integers (:class:`FixedNeuron`) all states have one unit. Coefficients have 12 fractional bits, and each product is
rounded toward zero, as Loihi's decays are; thresholds are multiples of 64 units; states saturate at 24 bits::

    s_j <- saturate24( sum_k cut(s_k keep_jk, 12) + cut(x gain_j, 12) + bias_j )
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar, Literal

import numpy as np

from processes.chips import LOIHI2, Chip
from processes.fixed import mul_shift, saturate, saturated, shift_toward_zero

Reset = Literal["none", "subtract", "set"]


@dataclass(frozen=True, eq=False)
class Update:
    """Coefficients of the recurrence s <- keep s + gain x + bias, as arrays that broadcast with the population.

    Attributes:
        keep: ``keep[j][k]`` is the share of state k that enters state j.
        gain: ``gain[j]`` is the factor of the input in state j.
        bias: ``bias[j]`` is added to state j at every step.
    """

    keep: tuple[tuple[np.ndarray, ...], ...]
    gain: tuple[np.ndarray, ...]
    bias: tuple[np.ndarray, ...]

    @classmethod
    def of(cls, keep: object, gain: object, bias: object) -> Update:
        """An update from nested sequences of numbers or arrays, converted to float64."""
        rows = tuple(tuple(np.asarray(value, np.float64) for value in row) for row in keep)  # type: ignore[attr-defined]
        vectors = (tuple(np.asarray(value, np.float64) for value in vector) for vector in (gain, bias))  # type: ignore[attr-defined]
        return cls(rows, *vectors)


@dataclass(frozen=True, eq=False)
class Rule:
    """How a population updates its states, fires and resets: the equations of :mod:`processes.spiking.neuron`.

    Attributes:
        update: the recurrence of a time step.
        threshold: broadcasts with the population.
        inclusive: whether a potential that equals the threshold fires.
        reset: what a spike does to the potential at the end of its step: nothing, subtract the threshold, or set it.
        v_reset: the potential after a spike, for ``reset`` "set".
        after: the recurrence instead of ``update`` where the potential at the beginning of the step is one that fires;
            None: ``update`` there too.
        initial: one value for each state before the first step; () for zeros.
    """

    update: Update
    threshold: np.ndarray
    inclusive: bool
    reset: Reset
    v_reset: np.ndarray = field(default_factory=lambda: np.zeros(()))
    after: Update | None = None
    initial: tuple[np.ndarray, ...] = ()

    @property
    def states(self) -> int:
        """The number of states of a neuron, the membrane potential included."""
        return len(self.update.gain)


@dataclass(frozen=True, eq=False)
class Integers:
    """The numbers of a :class:`Rule` as integers, with the unit of the membrane potential.

    Attributes:
        update, after: coefficients in units of 2^-12, int64; biases in units of the potential.
        threshold, v_reset, initial: int64, in units of the potential.
        left: bits by which the input is shifted left to be in units of the potential; negative shifts right.
    """

    update: Update
    after: Update | None
    threshold: np.ndarray
    v_reset: np.ndarray
    initial: tuple[np.ndarray, ...]
    left: int


class Population:
    """Base of populations that are stepped by a rule, in real numbers or in integers.

    Attributes:
        rule: how the neurons fire and reset.
        of: the numbers of the rule: the rule itself, or its :class:`Integers`.
        shape: of a sample.
        emits: None if the population sends spikes, else the index of the state that it sends.
        s: the states after resets, each (samples, *shape); s[0] is the membrane potential.
        peak: the largest magnitude of any state before resets, since the last :meth:`reset`.
        overflows: values of states that were clipped since the last :meth:`reset`.
    """

    dtype: ClassVar[type] = np.float64

    def __init__(self, rule: Rule, of: Rule | Integers, shape: tuple[int, ...], emits: int | None = None) -> None:
        self.rule, self.of, self.shape, self.emits = rule, of, shape, emits
        self.reset()

    @property
    def v(self) -> np.ndarray:
        """Membrane potentials after resets, (samples, *shape)."""
        return self.s[0]

    def reset(self) -> None:
        """Set every state to its initial value, and clear ``peak`` and ``overflows``."""
        initial = self.of.initial or (np.zeros(()),) * self.rule.states
        self.s = [np.broadcast_to(value, (1, *self.shape)) for value in initial]
        self.peak, self.overflows = 0.0, 0

    def step(self, x: np.ndarray | None) -> np.ndarray:
        """Take one time step with input ``x`` (None: 0); returns spikes of 0 and 1, or the state sent."""
        of, drive = self.of, self._drive(np.zeros((1, *self.shape), self.dtype) if x is None else x)
        after = None if of.after is None else self._fires(self.s[0])
        s = self._updated(of.update, drive)
        if of.after is not None and after is not None and after.any():
            s = [np.where(after, b, a) for a, b in zip(s, self._updated(of.after, drive), strict=True)]
        self.overflows += sum(self._beyond(state) for state in s)
        s = [self._held(state) for state in s]
        spikes = self._fires(s[0]).astype(self.dtype)
        self.peak = max(self.peak, *(float(np.abs(state).max(initial=0)) for state in s))
        if self.rule.reset == "subtract":
            s[0] = self._held(s[0] - of.threshold * (spikes if after is None else spikes - after))
        elif self.rule.reset == "set":
            s[0] = self._held(np.where(spikes, of.v_reset, s[0]))
        self.s = s
        return spikes if self.emits is None else s[self.emits]

    def _fires(self, v: np.ndarray) -> np.ndarray:
        return v >= self.of.threshold if self.rule.inclusive else v > self.of.threshold

    def _updated(self, update: Update, x: np.ndarray) -> list[np.ndarray]:
        found = []
        for row, gain, bias in zip(update.keep, update.gain, update.bias, strict=True):
            total = self._times(x, gain) + bias
            for kept, state in zip(row, self.s, strict=True):
                if np.any(kept):
                    total = total + self._times(state, kept)
            found.append(total)
        return found

    def _drive(self, x: np.ndarray) -> np.ndarray:
        """The input converted to units of the potential."""
        return x

    def _times(self, x: np.ndarray, coefficient: np.ndarray) -> np.ndarray:
        return coefficient * x

    def _beyond(self, state: np.ndarray) -> int:
        """The number of values that exceed the width of a state."""
        return 0

    def _held(self, state: np.ndarray) -> np.ndarray:
        return state


class FloatNeuron(Population):
    """A population stepped in floating point, float64."""

    def __init__(self, rule: Rule, shape: tuple[int, ...], emits: int | None = None) -> None:
        super().__init__(rule, rule, shape, emits)


class FixedNeuron(Population):
    """A population stepped in integers of the chip's widths; sends spikes 0 and 1, or a state in units of v, int64."""

    dtype: ClassVar[type] = np.int64

    def __init__(
        self, rule: Rule, integers: Integers, shape: tuple[int, ...], emits: int | None = None, chip: Chip = LOIHI2
    ) -> None:
        self.integers, self.chip = integers, chip
        super().__init__(rule, integers, shape, emits)

    def _drive(self, x: np.ndarray) -> np.ndarray:
        return shift_toward_zero(x, -self.integers.left)

    def _times(self, x: np.ndarray, coefficient: np.ndarray) -> np.ndarray:
        return mul_shift(x, coefficient, self.chip.decay_bits)

    def _beyond(self, state: np.ndarray) -> int:
        return saturated(state, self.chip.state_bits)

    def _held(self, state: np.ndarray) -> np.ndarray:
        return saturate(state, self.chip.state_bits)
