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
        h, spikes = x * rate, torch.empty_like(x)
        for t, now in enumerate(h):
            if t:  # what the step before left of its potential; there is nothing before the first
                now.add_(torch.addcmul(h[t - 1], h[t - 1], spikes[t - 1], value=-1), alpha=1 - rate)
            torch.ge(now, threshold, out=spikes[t])
        ctx.save_for_backward(h, spikes)
        ctx.rate, ctx.threshold, ctx.alpha = rate, threshold, alpha
        return spikes

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Any:
        h, spikes = ctx.saved_tensors
        s = torch.add(h.new_tensor(-ctx.alpha * ctx.threshold), h, alpha=ctx.alpha).sigmoid_()
        found = torch.ops.aten.sigmoid_backward(gradients[0], s)
        for t in range(len(h) - 2, -1, -1):  # the potential that a step leaves is a part of the next one's
            found[t].addcmul_(found[t + 1], 1 - spikes[t], value=1 - ctx.rate)
        return found.mul_(ctx.alpha * ctx.rate), None, None, None


def fuse(model: nn.Module) -> None:
    """Let every neuron of a model of this folder fire by the function above."""
    for module in model.modules():
        if isinstance(module, MultiStepLIFNode):
            assert module.v_reset == 0 and module.detach_reset and module.decay_input

            def forward(x: Tensor, node: MultiStepLIFNode = module) -> Tensor:
                return _Fired.apply(x, node.rate(), node.v_threshold, node.alpha)  # type: ignore[return-value]

            module.forward = forward
