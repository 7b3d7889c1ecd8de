"""The neuron of this folder's models with its gradient written out, which takes half the time of one operation after the other.

Only training needs it: the equations are those of ``MultiStepLIFNode(detach_reset=True)`` with a reset to 0, so weights that
were trained with it run with the node itself.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from converters.trained.nodes import MultiStepLIFNode


class _Fired(torch.autograd.Function):
    """Spikes (T, ...) of inputs (T, ...): h = v + (x - v) rate, spike = h >= threshold, v = h (1 - spike)."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, rate: float, threshold: float, alpha: float) -> Tensor:  # type: ignore[override]
        h, v = x * rate, torch.zeros_like(x[0])
        spikes = torch.empty_like(x)
        for now, spike in zip(h, spikes, strict=True):
            now.add_(v, alpha=1 - rate)
            torch.ge(now, threshold, out=spike)
            torch.addcmul(now, now, spike, value=-1, out=v)
        ctx.save_for_backward(h, spikes)
        ctx.rate, ctx.threshold, ctx.alpha = rate, threshold, alpha
        return spikes

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Any:
        h, spikes = ctx.saved_tensors
        s = torch.sub(h, ctx.threshold).mul_(ctx.alpha).sigmoid_()
        found = torch.addcmul(s, s, s, value=-1).mul_(ctx.alpha).mul_(gradients[0])
        for t in range(len(h) - 2, -1, -1):  # the potential that a step leaves is a part of the next one's
            found[t].addcmul_(found[t + 1], 1 - spikes[t], value=1 - ctx.rate)
        return found.mul_(ctx.rate), None, None, None


def fuse(model: nn.Module) -> None:
    """Let every neuron of a model of this folder fire by the function above."""
    for module in model.modules():
        if isinstance(module, MultiStepLIFNode):
            assert module.v_reset == 0 and module.detach_reset and module.decay_input

            def forward(x: Tensor, node: MultiStepLIFNode = module) -> Tensor:
                return _Fired.apply(x, node.rate(), node.v_threshold, node.alpha)  # type: ignore[return-value]

            module.forward = forward
