"""SI-neuron: an elementwise function by a fitted spiking neuron, the family of SI-exp.

    v_1 = v       spike at step t if v_t >= T_t, then v_{t+1} = v_t - h_t       f(v) ~ sum_t d_t z_t

A spike at step t carries the sign of d_t and is worth |d_t| to all its readers, so that synapses weight it like a spike
of a phase code. Tables are in real units and fitted on one range; beyond it f is not approximated.
Source: SIT-conversion, equations 2-4, after the FS neuron (C. Stoeckl and W. Maass, Nature Machine Intelligence 3,
2021); used for GELU and SiLU. With T = h = d = alpha 2^(K - t) it is the FS neuron for ReLU, which sends binary digits.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar

import numpy as np
import torch

from processes.backends import backend_of
from processes.backends.tables import FittedTables
from processes.fixed import saturate
from processes.operation import Operation, Result, Window
from processes.phase_code import StepCode
from processes.phase_neuron.activations import activation
from processes.spikes import parameter_axes


@dataclass(frozen=True, eq=False, kw_only=True)
class SiNeuron(Operation):
    """A population of fitted neurons that compute an elementwise function, one per value of the sample.

    Attributes:
        function: the name of the function, by which the ideal is computed.
        threshold, reset: T and h in units of v, real or integer, (P, K); P = 1, or one row per entry of ``unit``.
        output: d in real units, (K,).
        unit: real value of a potential of 1, broadcast shape.
        state_bits: width of the saturating potential; 0 in floating point.
    """

    function: str
    threshold: np.ndarray
    reset: np.ndarray
    output: np.ndarray
    unit: np.ndarray
    state_bits: int = 0

    name: ClassVar[str] = "si_neuron"
    emits: ClassVar[str] = "spikes"  # type: ignore[assignment]

    @classmethod
    def uncoded(cls, shape: tuple[int, ...], function: str) -> SiNeuron:
        """Neurons of ``shape`` that compute ``function`` in a lowered network; calibration fits their tables."""
        one = np.ones((1, 1))
        return cls(
            shape=shape, function=function, threshold=one, reset=one, output=np.ones(1), unit=np.ones((1,) * len(shape))
        )

    @property
    def steps(self) -> int:
        """K, the number of steps of the window."""
        return len(self.output)

    @property
    def spikes(self) -> int:
        """Most spikes of a neuron: one at every step."""
        return self.steps

    @cached_property
    def code(self) -> StepCode:
        """The code of its spikes: the level of step t is |d_t| divided by the largest."""
        return StepCode(np.abs(self.output) / np.abs(self.output).max())

    @property
    def scale(self) -> np.ndarray:
        """Real value of a spike at level 1, the largest |d_t|, broadcast shape."""
        return np.full((1,) * len(self.shape), np.abs(self.output).max())

    @property
    def sign(self) -> np.ndarray:
        """The sign of the spikes of each step, that of d_t, int8 (K,)."""
        return np.where(self.output < 0, -1, 1).astype(np.int8)

    def window(self, sources: list[Window], ready: list[int]) -> Window:
        """K steps that begin as soon as the input is complete."""
        return Window(max(ready), max(ready) + self.steps)

    def ideal(self, *inputs: torch.Tensor) -> torch.Tensor:
        """f(v) in real units."""
        return activation(self.function).torch(inputs[0])

    def closed_form(self, *inputs: torch.Tensor, dtype: torch.dtype = torch.float32) -> Result:
        """Codes (K, N, *shape) of potentials v (N, *shape)."""
        v = inputs[0].long() if self.state_bits else inputs[0]
        return Result(backend_of(v).fire_fitted(v, self._tables))

    @cached_property
    def _tables(self) -> FittedTables:
        return FittedTables(parameter_axes(self.shape, self.unit.shape), self.threshold, self.reset, self.sign)

    def stepper(self, window: Window, sources: list[Window]) -> SiNeuronStepper:
        """The :class:`SiNeuronStepper` of this population."""
        return SiNeuronStepper(self, window)


class SiNeuronStepper:
    """Stepper of a :class:`SiNeuron`: integrates, then compares each potential with its threshold at every step."""

    def __init__(self, op: SiNeuron, window: Window) -> None:
        self.op, self.start = op, window.start
        self.message = np.int64 if op.state_bits else np.float64
        shape = op.unit.shape if len(op.threshold) > 1 else (1,) * len(op.shape)
        tables = (op.threshold, op.reset)
        self.threshold, self.by = (a.T.reshape(op.steps, *shape).astype(self.message) for a in tables)
        self.reset()

    def reset(self) -> None:
        """Set all potentials to zero."""
        self.v = np.zeros(self.op.shape, self.message)

    def step(self, t: int, messages: list[np.ndarray | None]) -> np.ndarray | None:
        """Signs int8 (*shape) of this step's spikes, or None."""
        if messages[0] is not None:
            self.v += messages[0]
            if self.op.state_bits:
                self.v = saturate(self.v, self.op.state_bits)
        k = t - self.start
        if not 0 <= k < self.op.steps:
            return None
        fired = self.v >= self.threshold[k]
        self.v -= fired * self.by[k]
        return fired * self.op.sign[k] if fired.any() else None
