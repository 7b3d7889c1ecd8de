"""Mixtures of experts in dense form while a model is captured: one wide layer whose parts are gated by routing weights.

Implementations for processors sort tokens by expert, so that what is computed depends on which experts are chosen; the
wiring of a network cannot. The dense form computes the same: every expert's hidden features are multiplied by the
expert's routing weight, which is 0 for experts that were not chosen, before one layer sums over features and experts.
Hidden features of experts that were not chosen send no spikes on.
"""

from __future__ import annotations

import contextlib
import types
from collections.abc import Iterator
from typing import Any

import torch

MARKS = ("has_gate", "has_bias", "has_post_expert_norm", "is_transposed", "num_experts", "_apply_gate", "down_proj")
"""Attributes by which modules are recognised that hold a layer's experts as stacked weights (transformers 5)."""


@contextlib.contextmanager
def dense_experts(model: torch.nn.Module) -> Iterator[None]:
    """Let modules that hold experts compute all experts densely; their own forward is back after the context."""
    held = [module for module in model.modules() if all(hasattr(module, mark) for mark in MARKS)]
    held = [module for module in held if "forward" not in vars(module)]
    for module in held:
        module.forward = types.MethodType(_forward, module)
    try:
        yield
    finally:
        for module in held:
            del module.forward


def _forward(experts: Any, hidden: torch.Tensor, chosen: torch.Tensor, weights: torch.Tensor) -> torch.Tensor:
    """The dense forward of a layer of experts: the sum of their outputs for each token, (tokens, features).

    Args:
        experts: holds ``gate_up_proj``, or ``up_proj`` without gates, and ``down_proj``, each (experts, outputs, inputs) or
            transposed.
        hidden: (tokens, features).
        chosen: the numbers of each token's experts, int64 (tokens, k).
        weights: what the chosen experts' outputs are multiplied by, (tokens, k).
    """
    tokens, number = hidden.shape[0], experts.down_proj.shape[0]
    routing = hidden.new_zeros(tokens, number).scatter(-1, chosen, weights.to(hidden.dtype))
    inner = "gate_up_proj" if experts.has_gate else "up_proj"
    up = _rows(experts, inner)  # (experts, outputs, inputs)
    bias = getattr(experts, f"{inner}_bias").reshape(-1) if experts.has_bias else None
    features = torch.nn.functional.linear(hidden, up.reshape(-1, up.shape[-1]), bias).view(tokens, number, -1)
    features = experts._apply_gate(features) if experts.has_gate else experts.act_fn(features)
    down = _rows(experts, "down_proj")
    if experts.has_post_expert_norm:  # of each expert's own output
        each = [torch.nn.functional.linear(features[:, e], down[e]) for e in range(number)]
        if experts.has_bias:
            each = [y + experts.down_proj_bias[e] for e, y in enumerate(each)]
        each = [experts.post_expert_norm(y) * routing[:, e : e + 1] for e, y in enumerate(each)]
        return torch.stack(each).sum(0)
    gated = (features * routing.unsqueeze(-1)).reshape(tokens, -1)
    total = torch.nn.functional.linear(gated, down.transpose(0, 1).reshape(down.shape[1], -1))
    if experts.has_bias:
        total = total + torch.nn.functional.linear(routing, experts.down_proj_bias.transpose(0, 1))
    return total


def _rows(experts: Any, name: str) -> torch.Tensor:
    """The stacked weights called ``name`` as (experts, outputs, inputs)."""
    weight = getattr(experts, name)
    return weight.transpose(-1, -2) if experts.is_transposed else weight
