"""Spiking neurons with the names, arguments and equations of SpikingJelly, for checkpoints whose code needs an old release.

``MultiStepLIFNode`` and its kin are those of clock_driven (0.0.0.0.12): they take (T, batch, ...). ``LIFNode``,
``IFNode`` and ``ParametricLIFNode`` are those of activation_based (0.0.0.0.14), which take one step, or all with
``step_mode="m"``.

Each step first charges the potential, which in an IF node is v <- v + x, and then fires::

    v <- v + (x - (v - v_reset)) / tau          decay_input; v_reset counts as 0 where it is None
    v <- v - (v - v_reset) / tau + x            otherwise
    spike = v >= v_threshold
    v <- v_reset where spike,  or v <- v - v_threshold spike where v_reset is None

Gradients are those of a sigmoid of slope ``alpha``, and ``detach_reset`` keeps them out of the reset.
"""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor, nn


class _Spike(torch.autograd.Function):
    """Heaviside's step with 1 at 0, and the derivative of a sigmoid."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, alpha: float) -> Tensor:  # type: ignore[override]
        ctx.save_for_backward(x)
        ctx.alpha = alpha
        return (x >= 0).to(x.dtype)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Any:
        (x,) = ctx.saved_tensors
        s = torch.sigmoid(ctx.alpha * x)
        return gradients[0] * ctx.alpha * s * (1 - s), None


class BaseNode(nn.Module):
    """Base of the neurons: threshold, reset and surrogate gradient; a subclass says how inputs charge the potential.

    Args:
        v_threshold: a potential that reaches it fires.
        v_reset: the potential after a spike; None to subtract the threshold instead.
        detach_reset: keep gradients out of the reset.
        step_mode: "s": forward takes one step (batch, ...); "m": all steps (T, batch, ...).
        alpha: slope of the sigmoid whose derivative is the surrogate gradient.
    """

    def __init__(
        self, v_threshold: float = 1.0, v_reset: float | None = 0.0, detach_reset: bool = False, step_mode: str = "s",
        alpha: float = 4.0, **unused: Any,
    ) -> None:  # fmt: skip
        super().__init__()
        self.v_threshold, self.v_reset, self.detach_reset = v_threshold, v_reset, detach_reset
        self.step_mode, self.alpha = step_mode, alpha
        self.reset()

    def reset(self) -> None:
        """Set the potential to its value before the first step."""
        self.v: Any = 0.0 if self.v_reset is None else self.v_reset

    def charged(self, x: Tensor) -> Tensor:
        """The potential before firing, given the input of a step."""
        raise NotImplementedError

    def step(self, x: Tensor) -> Tensor:
        """Spikes 0 or 1 of one step, given its input (batch, ...); the potential is updated."""
        v = self.charged(x)
        spike = _Spike.apply(v - self.v_threshold, self.alpha)
        assert isinstance(spike, Tensor)
        used = spike.detach() if self.detach_reset else spike
        self.v = v - used * self.v_threshold if self.v_reset is None else (1 - used) * v + used * self.v_reset
        return spike

    def forward(self, x: Tensor) -> Tensor:
        """Spikes of one step (batch, ...), or of all steps (T, batch, ...) where ``step_mode`` is "m"."""
        return self.step(x) if self.step_mode == "s" else torch.stack([self.step(frame) for frame in x])


class IFNode(BaseNode):
    """Integrate and fire."""

    def charged(self, x: Tensor) -> Tensor:
        """The charged potential v + x, without leak."""
        return self.v + x


class LIFNode(BaseNode):
    """Leaky integrate and fire."""

    def __init__(self, tau: float = 2.0, decay_input: bool = True, v_threshold: float = 1.0,
                 v_reset: float | None = 0.0, **others: Any) -> None:  # fmt: skip
        super().__init__(v_threshold, v_reset, **others)
        self.tau, self.decay_input = float(tau), decay_input

    def rate(self) -> Any:
        """The leak of a step, 1 / tau."""
        return 1 / self.tau

    def charged(self, x: Tensor) -> Tensor:
        """The charged potential after leak and input; the leak also scales the input if ``decay_input``."""
        above = self.v if self.v_reset is None else self.v - self.v_reset
        return self.v + (x - above) * self.rate() if self.decay_input else self.v - above * self.rate() + x


class ParametricLIFNode(LIFNode):
    """Leaky integrate and fire with a learned 1 / tau = sigmoid(w)."""

    def __init__(self, init_tau: float = 2.0, decay_input: bool = True, v_threshold: float = 1.0,
                 v_reset: float | None = 0.0, **others: Any) -> None:  # fmt: skip
        super().__init__(init_tau, decay_input, v_threshold, v_reset, **others)
        self.w = nn.Parameter(torch.tensor(-math.log(init_tau - 1)))

    def rate(self) -> Any:
        """The leak of a step, sigmoid(w)."""
        return torch.sigmoid(self.w)


class MultiStepIFNode(IFNode):
    """Integrate and fire over all steps (T, batch, ...); an argument ``backend`` is ignored."""

    def __init__(self, *arguments: Any, **others: Any) -> None:
        super().__init__(*arguments, step_mode="m", **{k: v for k, v in others.items() if k != "backend"})


class MultiStepLIFNode(LIFNode):
    """Leaky integrate and fire over all steps (T, batch, ...); an argument ``backend`` is ignored."""

    def __init__(self, *arguments: Any, **others: Any) -> None:
        super().__init__(*arguments, step_mode="m", **{k: v for k, v in others.items() if k != "backend"})


class MultiStepParametricLIFNode(ParametricLIFNode):
    """Leaky integrate and fire, tau learned, over all steps (T, batch, ...); an argument ``backend`` is ignored."""

    def __init__(self, *arguments: Any, **others: Any) -> None:
        super().__init__(*arguments, step_mode="m", **{k: v for k, v in others.items() if k != "backend"})


def reset_net(net: nn.Module) -> None:
    """Reset every neuron of a model to its state before the first step."""
    for module in net.modules():
        if isinstance(module, BaseNode):
            module.reset()
