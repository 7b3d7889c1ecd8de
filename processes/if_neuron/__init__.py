"""Integrate-and-fire neuron that fires while its input arrives: the neuron of QCFS, SNM and the Masked Spiking Transformer.

    at every step   v += current + bias / T           v starts at ``initial`` theta
                    v >= theta: send + and v -= theta
    with memory     v <= -theta, and more + than - have been sent: send - and v += theta
    identity        v < (2 initial - 1) theta: send - and v += theta

Neurons that read others of this kind ``stream``: they fire in the same steps in which currents arrive, so that a chain
of layers takes T steps in all. Spikes that arrive unevenly then make a neuron fire too early or too often, which memory
corrects by negative spikes. An input that arrives as one number (the network's input, a residual stream) or from
neurons of another code is complete before the neuron fires, and a T-th of it is the current of every step. Sources: T.
Bu et al., ICLR 2022 (QCFS: initial = 1/2, without memory); Y. Wang et al., IJCAI 2022 (SNM: initial = 0, with memory).
Random masks of the spikes that are sent: Z. Wang et al., ICCV 2023 (MST).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar

import numpy as np
import torch

from processes.backends.constants import constant
from processes.backends.torch.fire import code_type
from processes.operation import Operation, Result, Window
from processes.phase_neuron.activations import activation
from processes.rate_neuron import RateCode


@dataclass(frozen=True, eq=False, kw_only=True)
class IfNeuron(Operation):
    """A population of integrate-and-fire neurons, one per value of the sample.

    Attributes:
        function: "relu", or "identity", whose neurons also send negative spikes.
        scale: real value of a spike, broadcast shape.
        threshold: theta in units of the operand's potential, broadcast shape.
        bias: added to the potential over the whole window, in the same units, broadcast shape.
        steps: T, which is also the most spikes of a neuron.
        initial: potential before the first step, as a share of theta, 0 to 1.
        memory: whether a relu neuron corrects surplus spikes by negative ones.
        streams: whether currents arrive, from a synapse, in the T steps in which it fires; else its input is complete.
        masked: share of the (step, neuron) pairs at which no spike is sent, chosen at random, alike for all samples.
        seed: of this random choice.
    """

    function: str
    scale: np.ndarray
    threshold: np.ndarray
    bias: np.ndarray
    steps: int
    initial: float
    memory: bool = False
    streams: bool = False
    masked: float = 0.0
    seed: int = 0

    name: ClassVar[str] = "if_neuron"
    emits: ClassVar[str] = "spikes"  # type: ignore[assignment]

    @property
    def spikes(self) -> int:
        """Most spikes of a neuron: one at every step."""
        return self.steps

    @property
    def code(self) -> RateCode:
        """The code of its spikes: a rate code of T steps."""
        return RateCode(self.steps)

    @cached_property
    def start(self) -> np.ndarray:
        """Potentials before the first step, broadcast shape."""
        return self.initial * self.threshold

    @cached_property
    def low(self) -> np.ndarray:
        """The potential below which an identity neuron sends a negative spike, broadcast shape."""
        return (2 * self.initial - 1) * self.threshold

    @cached_property
    def drive(self) -> np.ndarray:
        """The bias of one step, broadcast shape."""
        return self.bias / self.steps

    @cached_property
    def sent(self) -> np.ndarray | None:
        """At which steps each neuron's spikes are sent, bool (T, *shape); None: at all."""
        if not self.masked:
            return None
        return np.random.default_rng(self.seed).random((self.steps, *self.shape)) >= self.masked

    def window(self, sources: list[Window], ready: list[int]) -> Window:
        """The steps in which currents arrive if it streams, else T steps once its input is complete."""
        return sources[0] if self.streams else Window(max(ready), max(ready) + self.steps)

    def ideal(self, *inputs: torch.Tensor) -> torch.Tensor:
        """f(v + bias), in real units."""
        return activation(self.function).torch(inputs[0] + constant(self.bias, inputs[0].device, inputs[0].dtype))

    def fired(self, v: Any, held: Any, theta: Any, low: Any) -> Any:
        """Signs of the spikes at potentials ``v``, array or tensor; ``held``: positive minus negative spikes so far."""
        sign = 1 * (v >= theta)
        if self.function == "identity":
            return sign - 1 * (v < low)
        return sign - 1 * ((v <= -theta) & (held > 0)) if self.memory else sign

    def closed_form(self, *inputs: torch.Tensor, dtype: torch.dtype = torch.float32) -> Result:
        """Codes (T, N, *shape) of the currents of each step (T, N, *shape), or of complete potentials (N, *shape)."""
        x = inputs[0]
        by_step = x.ndim == len(self.shape) + 2
        currents = x if by_step else (x / self.steps).expand(self.steps, *x.shape)
        theta, low, drive = (constant(a, x.device, x.dtype) for a in (self.threshold, self.low, self.drive))
        v = constant(self.start, x.device, x.dtype).expand(currents.shape[1:])
        codes = torch.zeros(currents.shape, dtype=code_type(self.steps), device=x.device)
        count = torch.zeros((1, *v.shape), dtype=torch.int64, device=x.device)  # spikes sent so far
        held = torch.zeros(v.shape, dtype=torch.int64, device=x.device)  # positive minus negative spikes
        for k in range(self.steps):
            v = v + currents[k]
            v = v + drive
            sign = self.fired(v, held, theta, low)
            v = v - sign * theta
            held = held + sign
            if self.sent is not None:
                sign = sign * constant(self.sent[k], x.device, torch.int64)
            codes.scatter_(0, count, (sign * (k + 1)).to(codes.dtype)[None])
            count = count + sign.abs()
        return Result(codes)

    def stepper(self, window: Window, sources: list[Window]) -> IfNeuronStepper:
        """The :class:`IfNeuronStepper` of this population, which fires in ``window``."""
        return IfNeuronStepper(self, window)


class IfNeuronStepper:
    """Stepper of an :class:`IfNeuron`.

    Attributes:
        v: membrane potentials, float64 (*shape).
        total: the input that has arrived, for neurons that do not stream.
        held: positive minus negative spikes so far, those that a mask holds back included.
    """

    def __init__(self, op: IfNeuron, window: Window) -> None:
        self.op, self.first = op, window.start
        self.reset()

    def reset(self) -> None:
        """Set potentials to their initial values, and clear the input and the counts of spikes."""
        self.v = np.zeros(self.op.shape) + self.op.start
        self.total = np.zeros(self.op.shape)
        self.held = np.zeros(self.op.shape, np.int32)

    def step(self, t: int, messages: list[np.ndarray | None]) -> np.ndarray | None:
        """Signs int8 (*shape) of the spikes sent at step ``t``, or None."""
        op, message = self.op, messages[0]
        if not op.streams and message is not None:
            self.total += message
        k = t - self.first
        if not 0 <= k < op.steps:
            return None
        if not op.streams:
            message = self.total / op.steps
        if message is not None:
            self.v += message
        self.v += op.drive
        sign = op.fired(self.v, self.held, op.threshold, op.low).astype(np.int8)
        self.v -= sign * op.threshold
        self.held += sign
        if op.sent is not None:
            sign *= op.sent[k]
        return sign if sign.any() else None
