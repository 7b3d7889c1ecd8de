"""What a neuron module computes, and numbers of its parameters."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import nn

from processes.spiking.neuron import Rule


def spikes_only(states: list[torch.Tensor]) -> Any:
    """What a forward returns that returns its spikes alone."""
    return states[0]


@dataclass(frozen=True)
class Reading:
    """What a neuron module computes.

    Attributes:
        rule: its equations.
        returned: what its forward returns of [spikes, state 0, state 1, ...].
        recurrent: a module that its own spikes of the step before go through, into its input.
        height: what a spike is sent as.
        feed: what forward does to its input before the neurons hear it; None: nothing.
        stubs: methods that a forward calls to get the state at first, and how many tensors each returns.
    """

    rule: Rule
    returned: Callable[[list[torch.Tensor]], Any] = spikes_only
    recurrent: nn.Module | None = None
    height: float = 1.0
    feed: Callable[[torch.Tensor], torch.Tensor] | None = None
    stubs: dict[str, int] = field(default_factory=dict)


Reader = Callable[[Any], Reading]
"""What reads a module."""


def number(value: Any) -> np.ndarray:
    """A parameter as float64."""
    if isinstance(value, torch.Tensor):
        value = value.detach().cpu().numpy()
    return np.asarray(value, np.float64)
