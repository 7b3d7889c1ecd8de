"""Readings of neuron modules: their equations as a rule, and how their forward is called and what it returns."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import nn

from processes.spiking.neuron import Rule


def spikes_only(states: list[torch.Tensor]) -> Any:
    """The result of a forward that returns its spikes alone, given [spikes, state 0, ...]."""
    return states[0]


@dataclass(frozen=True)
class Reading:
    """What a neuron module computes, and how a model calls it.

    Attributes:
        rule: its equations.
        returned: what its forward returns, given [spikes, state 0, state 1, ...].
        recurrent: the module through which its spikes of the step before are added to its input; None if there is none.
        height: the number that a spike is sent as.
        feed: what forward does to the input before it reaches the neurons; None for nothing.
        stubs: methods that a model's forward calls to get the initial state, and how many tensors each returns.
    """

    rule: Rule
    returned: Callable[[list[torch.Tensor]], Any] = spikes_only
    recurrent: nn.Module | None = None
    height: float = 1.0
    feed: Callable[[torch.Tensor], torch.Tensor] | None = None
    stubs: dict[str, int] = field(default_factory=dict)


Reader = Callable[[Any], Reading]
"""Reads a neuron module; raises DeployError for a setting that no rule covers."""


def number(value: Any) -> np.ndarray:
    """A number or tensor as a float64 array."""
    if isinstance(value, torch.Tensor):
        value = value.detach().cpu().numpy()
    return np.asarray(value, np.float64)
