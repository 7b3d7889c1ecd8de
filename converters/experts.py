"""Mixtures of experts written densely while a model is captured: one wide layer of which routing weights gate the parts.

Implementations for processors sort tokens by expert, so that what is computed depends on what is chosen; a network's wiring
does not. The dense form computes the same: every expert's hidden features are multiplied with the expert's routing weight,
which is 0 for all that were not chosen, before one layer sums over features and experts. Hidden features of experts that were
not chosen send no spikes on.
"""

from __future__ import annotations

import contextlib
import types
from collections.abc import Iterator
from typing import Any

import torch

MARKS = ("has_gate", "has_bias", "has_post_expert_norm", "is_transposed", "num_experts", "_apply_gate", "down_proj")
"""What modules have that hold a layer's experts as stacked weights (transformers 5)."""


@contextlib.contextmanager
def dense_experts(model: torch.nn.Module) -> Iterator[None]:
    """Let modules that hold experts compute all of them; they are as they were afterwards."""
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
    """What the experts give for each token.

    Args:
        experts: holds ``gate_up_proj``, or ``up_proj`` without gates, and ``down_proj``, each (experts, outputs, inputs) or
            transposed.
        hidden: (tokens, features).
        chosen: which experts each token has, (tokens, k).
        weights: by which their outputs are multiplied, (tokens, k).
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
    """Stacked weights as (experts, outputs, inputs)."""
    weight = getattr(experts, name)
    return weight.transpose(-1, -2) if experts.is_transposed else weight
