"""Which modules are neurons, and what their rules are."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import nn

from converters.trained import frameworks
from converters.trained.readings import Reader, Reading, number, spikes_only
from processes.errors import DeployError
from processes.spiking.neuron import Reset, Rule, Update

_REGISTERED: dict[type[nn.Module], Reader] = {}


def register(
    kind: type[nn.Module],
    decay: Callable[[Any], Any],
    threshold: Callable[[Any], Any],
    *,
    reset: Reset = "none",
    v_reset: float = 0.0,
    delayed: bool = False,
    inclusive: bool = False,
    gain: Callable[[Any], Any] = lambda module: 1.0,
    initial: Callable[[Any], Any] = lambda module: 0.0,
    height: Callable[[Any], float] = lambda module: 1.0,
    returned: Callable[[list[torch.Tensor]], Any] = spikes_only,
) -> None:
    """Declare a module class of your own a neuron: mem = decay mem + gain x; spike = mem > threshold.

    Args:
        kind: the class; its subclasses are neurons, too.
        decay: given a module, its decay: a number or a tensor that broadcasts with its population.
        threshold: given a module, its threshold, likewise.
        reset: what follows a spike: "subtract" takes the threshold off mem, "set" sets mem to ``v_reset``, "none"
            nothing.
        v_reset: the potential that "set" resets to.
        delayed: whether the reset happens at the beginning of the next step, before decay.
        inclusive: whether mem = threshold fires.
        gain: given a module, what its input is multiplied by, likewise.
        initial: given a module, mem before the first step, likewise.
        height: given a module, the number that a spike is sent as.
        returned: what the module's forward returns, given [spikes, mem]; spikes alone by default.
    """

    def read(module: Any) -> Reading:
        keep, theta = number(decay(module)), number(threshold(module))
        gained = number(gain(module))
        update, after = Update.of([[keep]], [gained], [0.0]), None
        at_end: Reset = reset
        if delayed and reset != "none":
            start = -theta * keep if reset == "subtract" else keep * v_reset
            after = Update.of([[keep if reset == "subtract" else 0.0]], [gained], [start])
            at_end = "none"
        rule = Rule(update, theta, inclusive, at_end, np.asarray(v_reset), after, (number(initial(module)),))
        return Reading(rule, returned, height=float(number(height(module)).item()))

    _REGISTERED[kind] = read


def neurons(model: nn.Module) -> dict[str, Reading]:
    """The readings of a model's neurons, by qualified module name.

    Raises:
        DeployError: neurons have a setting that no rule covers; the message names all of them.
    """
    found: dict[str, Reading] = {}
    refused: list[str] = []
    for name, module in model.named_modules():
        reader = next((_REGISTERED[kind] for kind in type(module).__mro__ if kind in _REGISTERED), None)
        reader = reader or frameworks.reader(module)
        if reader is None:
            continue
        try:
            found[name] = reader(module)
        except DeployError as error:
            refused.append(f"{name or 'the model'} ({type(module).__name__}): {error}")
    if refused:
        raise DeployError("neurons that no rule covers: " + "; ".join(refused))
    return found
