"""Integrate-and-fire neuron with soft reset, in a rate code: the baseline that phase codes are compared with.

    integrate   v += message, for one window
    fire        at each step of the next: if v >= theta / 2, send + and v -= theta
                                          (identity: if v < -theta / 2, send - and v += theta)

Every spike is worth the same, so a value is the number of a neuron's spikes, at most T: T + 1 evenly spaced levels,
where the levels of a phase code are a geometric sequence. Firing at half a threshold makes rounding unbiased (the shift
of QCFS). As a layer's input is complete before it fires, no spike is too early or too late, the best case of rate
coding. Floating point only.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch

from processes.backends import backend_of
from processes.operation import Operation, Result, Window
from processes.phase_neuron.activations import activation


@dataclass(frozen=True)
class RateCode:
    """A rate code: a window of T = ``steps`` steps, in each of which a spike is worth 1."""

    steps: int

    @property
    def levels(self) -> np.ndarray:
        """The worth of a spike at each step: ones, float64 (T,)."""
        return np.ones(self.steps)


@dataclass(frozen=True, eq=False, kw_only=True)
class RateNeuron(Operation):
    """A population of integrate-and-fire neurons, one per value of the sample.

    Attributes:
        function: "relu", or "identity", whose neurons also send negative spikes.
        threshold: theta, which is also the worth of a spike, in real units, (1,).
        steps: T, which is also the most spikes of a neuron.
    """

    function: str
    threshold: np.ndarray
    steps: int

    name: ClassVar[str] = "rate_neuron"
    emits: ClassVar[str] = "spikes"  # type: ignore[assignment]

    @property
    def spikes(self) -> int:
        """Most spikes of a neuron: one at every step."""
        return self.steps

    @property
    def code(self) -> RateCode:
        """The code of its spikes: a rate code of T steps."""
        return RateCode(self.steps)

    @property
    def scale(self) -> np.ndarray:
        """Real value of a spike, broadcast shape."""
        return self.threshold.reshape((1,) * len(self.shape))

    def window(self, sources: list[Window], ready: list[int]) -> Window:
        """T steps that begin as soon as the input is complete."""
        return Window(max(ready), max(ready) + self.steps)

    def ideal(self, *inputs: torch.Tensor) -> torch.Tensor:
        """f(v), in real units."""
        return activation(self.function).torch(inputs[0])

    def closed_form(self, *inputs: torch.Tensor, dtype: torch.dtype = torch.float32) -> Result:
        """Codes (T, N, *shape) of potentials v (N, *shape): floor(v / theta + 1/2) spikes, at most T, from k = 0 on."""
        v = inputs[0] / float(self.threshold[0])
        return Result(backend_of(v).fire_rate(v, self.steps, self.function == "identity"))

    def stepper(self, window: Window, sources: list[Window]) -> RateNeuronStepper:
        """The :class:`RateNeuronStepper` of this population, which fires in ``window``."""
        return RateNeuronStepper(self, window)


class RateNeuronStepper:
    """Stepper of a :class:`RateNeuron`: integrates its input, then compares potential and threshold at every step."""

    def __init__(self, op: RateNeuron, window: Window) -> None:
        self.op, self.start, self.threshold = op, window.start, float(op.threshold[0])
        self.reset()

    def reset(self) -> None:
        """Set all potentials to zero."""
        self.v = np.zeros(self.op.shape)

    def step(self, t: int, messages: list[np.ndarray | None]) -> np.ndarray | None:
        """Signs int8 (*shape) of this step's spikes, or None."""
        if messages[0] is not None:
            self.v += messages[0]
        if not self.start <= t < self.start + self.op.steps:
            return None
        fired = (self.v >= self.threshold / 2).astype(np.int8)
        if self.op.function == "identity":
            fired -= self.v < -self.threshold / 2
        self.v -= fired * self.threshold
        return fired if fired.any() else None
