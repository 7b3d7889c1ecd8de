"""SI-norm: a row of exponentials divided by its sum, by neurons whose threshold is that sum.

Neuron i receives the spikes of its own SI-exp neuron, which represent its weight w_i; the row's sum V_th = sum_j w_j is
the threshold of all neurons of the row. A regular train of N spikes drives each neuron:

    v += w_i at each spike of the train;  fires and v -= V_th at v >= V_th          N steps, floor(N w_i / V_th) spikes

(``form`` "train"; equations 5-9 of the SIT-conversion paper). Equation 10 replaces the train by N_spike, which gives
the same count at once; here the count is sent as binary digits, N = 2^(T-1) (``form`` "digits"):

    v = w_i, then at each of T steps, doubling v before all but the first, fires and v -= V_th at v >= V_th

so that a spike at step k is worth 2^-k: the phase code of base 2 with one spike for each digit. The state never exceeds
2 V_th. Both forms start from half of the last digit if ``rounded`` (a train exactly so if N is a power of two), so that
the count is rounded to nearest, and from 0 as published, which rounds it down.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import numpy as np
import torch

from processes.backends import backend_of
from processes.operation import Operation, Result, Window
from processes.phase_code import UNCODED, PhaseCode, StepCode
from processes.si_exp import halved

BASE = 2.0


@dataclass(frozen=True, eq=False, kw_only=True)
class SiNorm(Operation):
    """Divides each row of exponentials by its sum: the second half of softmax; shape (..., rows, keys).

    Its operand is the spikes of an :class:`processes.si_exp.SiExp` population of that shape.

    Attributes:
        output, digits: the table (phases, K - J) and the clock's digits J by which its spikes are read.
        steps: T digits, or N steps of a train.
        scale: real value of a spike at k = 0, a power of two of at most 1, of shape (1, ..., 1).
        form: "digits" or "train".
        rounded: whether potentials start from half of the last digit.
        state_bits: width of a potential; 0 in floating point.
    """

    output: np.ndarray
    digits: int
    steps: int
    scale: np.ndarray
    form: Literal["digits", "train"] = "digits"
    rounded: bool = True
    state_bits: int = 0

    name: ClassVar[str] = "si_norm"
    emits: ClassVar[str] = "spikes"  # type: ignore[assignment]

    @classmethod
    def uncoded(cls, shape: tuple[int, ...]) -> SiNorm:
        """The operation in a lowered network; calibration sets its digits and the tables by which spikes are read."""
        return cls(shape=shape, output=np.ones((1, 1)), digits=0, steps=UNCODED.steps, scale=np.ones((1,) * len(shape)))

    @property
    def spikes(self) -> int:
        """Most spikes of a neuron: one at every step."""
        return self.steps

    @property
    def code(self) -> PhaseCode | StepCode:
        """The code of its spikes: the phase code of base 2, or N steps in which a spike is worth 1 / N."""
        return PhaseCode(BASE, self.steps) if self.form == "digits" else StepCode(np.full(self.steps, 1 / self.steps))

    def window(self, sources: list[Window], ready: list[int]) -> Window:
        """T (or N) steps that begin once the spikes of the exponentials are complete."""
        return Window(max(ready), max(ready) + self.steps)

    def ideal(self, *inputs: torch.Tensor) -> torch.Tensor:
        """e / sum e over the last axis."""
        return inputs[0] / inputs[0].sum(-1, keepdim=True)

    def started(self, w: Any) -> tuple[Any, Any]:
        """Potentials (..., keys) before the first step, and V_th (..., 1), of weights w (..., keys).

        All are float64 or int64, and arrays or tensors, as ``w`` is.
        """
        total = w.sum(-1)[..., None]
        last = self.steps if self.form == "digits" else self.steps.bit_length()
        half = halved(total, last) if self.rounded else total * 0
        if self.form == "train":
            return half * self.steps + w * 0, total
        return w * 2 ** -round(float(np.log2(self.scale.flat[0]))) + half, total

    def closed_form(self, *inputs: torch.Tensor, dtype: torch.dtype = torch.float32) -> Result:
        """Codes (T, N, *shape) of the codes (K, N, *shape) of exponentials."""
        backend = backend_of(inputs[0])
        w = backend.spelled(inputs[0], self.output, self.digits)
        start, total = self.started(w)
        if self.form == "train":
            return Result(backend.fire_train(start, w, total, self.steps))
        return Result(backend.fire_digits(start, total, self.steps))

    def stepper(self, window: Window, sources: list[Window]) -> SiNormStepper:
        """The :class:`SiNormStepper` of this operation."""
        return SiNormStepper(self, window, sources[0])


class SiNormStepper:
    """Stepper of a :class:`SiNorm`: reads the spikes of the exponentials, then fires.

    Attributes:
        behind: the number N that the clock's spikes represent, int64 (*shape).
        heard: the sum of the outputs of the fitted spikes, (*shape).
    """

    def __init__(self, op: SiNorm, window: Window, source: Window) -> None:
        self.op, self.start, self.source_start = op, window.start, source.start
        self.message = np.int64 if op.state_bits else np.float64
        self.output = op.output.astype(self.message)
        self.reset()

    def reset(self) -> None:
        """Set the numbers received to zero."""
        self.behind = np.zeros(self.op.shape, np.int64)
        self.heard = np.zeros(self.op.shape, self.message)

    def step(self, t: int, messages: list[np.ndarray | None]) -> np.ndarray | None:
        """Spikes int8 (*shape) of this step, or None."""
        if messages[0] is not None:
            self._listen(messages[0], t - self.source_start)
        k = t - self.start
        if not 0 <= k < self.op.steps:
            return None
        if k == 0:
            self.weight = halved(np.maximum(self.heard, 0), self.behind // len(self.output))
            self.v, self.total = self.op.started(self.weight)
        if self.op.form == "train":
            self.v = self.v + self.weight
        elif k > 0:
            self.v = self.v + self.v
        fired = (self.v >= self.total) & (self.total > 0)
        self.v = self.v - fired * self.total
        return fired.astype(np.int8) if fired.any() else None

    def _listen(self, spikes: np.ndarray, k: int) -> None:
        digits, phases = self.op.digits, len(self.output)
        if k < digits:
            self.behind += spikes.astype(np.int64) << (digits - 1 - k)
        else:
            self.heard += spikes * self.output[self.behind % phases, k - digits]
