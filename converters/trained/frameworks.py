"""The neurons of snnTorch, Norse and SpikingJelly as rules; a class is recognised by its name and its package.

The packages need not be installed to read a module: only its attributes are used. Norse is imported when a state is
returned.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from torch import nn

from converters.trained.readings import Reader, Reading, number
from processes.errors import DeployError
from processes.spiking.neuron import Reset, Rule, Update


def reader(module: nn.Module) -> Reader | None:
    """The function that reads a neuron module's rule; None for a module that is no neuron.

    For a subclass that overrides a method of a known class it is one that raises DeployError.
    """
    kinds = type(module).__mro__
    for depth, kind in enumerate(kinds):
        package = kind.__module__.split(".")[0]
        place = "spikingjelly" if kind.__module__ == "converters.trained.nodes" else package
        if found := READERS.get((place, kind.__name__)):
            return _no_rule if any(_changes(derived, kind) for derived in kinds[:depth]) else found
    whole = type(module).__module__
    return _no_rule if whole.startswith("spikingjelly.") and ".neuron" in whole else None


def _changes(derived: type, base: type) -> bool:
    """Whether a subclass overrides a method of ``base``, ``__init__`` and ``extra_repr`` aside."""
    own = {name for name, value in vars(derived).items() if callable(value) and name not in ("__init__", "extra_repr")}
    return any(callable(getattr(base, name, None)) for name in own)


def _refuse(condition: object, reason: str) -> None:
    """Raise DeployError for a setting that no rule covers."""
    if condition:
        raise DeployError(reason)


# snnTorch 1.0.0, snntorch/_neurons: the reset of a spike acts at the beginning of the next step unless reset_delay=False


def _snn_common(m: Any) -> tuple[np.ndarray, str, bool]:
    """(threshold, reset mechanism, whether resets are delayed)."""
    _refuse(m.inhibition, "inhibition lets one neuron of a layer fire; there is no rule for that")
    _refuse(m.state_quant, "state_quant rounds states; leave it out, fixed point has its own")
    mechanism = ("subtract", "zero", "none")[int(m.reset_mechanism_val)]
    theta = number(m.threshold)
    delayed = bool(getattr(m, "reset_delay", True))
    _refuse(not delayed and mechanism == "zero" and theta.min() < 0, "reset_delay=False and a threshold below 0")
    return theta, mechanism, delayed


def _snn_reading(
    m: Any, rule: Rule, order: tuple[int, ...], returned: int, recurrent: nn.Module | None = None
) -> Reading:
    """The reading of an snnTorch neuron, whose reset_mem returns ``returned`` tensors.

    ``order``: for each state that forward returns behind the spikes, its index in [spikes, state 0, ...].
    """
    height = float(number(m.graded_spikes_factor).item())
    return Reading(rule, _snn_returned(m, order), recurrent, height, stubs={"reset_mem": returned})


def _snn_returned(m: Any, order: tuple[int, ...]) -> Callable[[list[torch.Tensor]], Any]:
    """Makes snnTorch's forward result of [spikes, state 0, ...]: spikes alone if the module hides its states."""
    if m.init_hidden and not m.output:
        return lambda found: found[0]
    return lambda found: tuple(found[i] for i in (0, *order))


def _snn_rule(m: Any, update: Update, sub: Update, zero: Update) -> Rule:
    """The rule of an snnTorch neuron; ``sub``, ``zero``: updates of a step after a spike, by reset mechanism."""
    theta, mechanism, delayed = _snn_common(m)
    if mechanism == "none":
        return Rule(update, theta, False, "none")
    if mechanism == "zero":
        return Rule(update, theta, False, "none" if delayed else "set", after=zero if delayed else None)
    return Rule(update, theta, False, "none" if delayed else "subtract", after=sub)


def _unit(m: Any, name: str) -> np.ndarray:
    """A decay factor, clipped to 0 .. 1 as snnTorch does."""
    return np.clip(number(getattr(m, name)), 0, 1)


def _leaky(m: Any) -> Reading:
    theta, beta = number(m.threshold), _unit(m, "beta")
    update = Update.of([[beta]], [1], [0])
    rule = _snn_rule(m, update, Update.of([[beta]], [1], [-theta]), Update.of([[0]], [1], [0]))
    return _snn_reading(m, rule, (1,), 1)


def _rleaky(m: Any) -> Reading:
    theta, beta = number(m.threshold), _unit(m, "beta")
    update = Update.of([[beta]], [1], [0])
    rule = _snn_rule(m, update, Update.of([[beta]], [1], [-theta]), Update.of([[0]], [0], [0]))
    return _snn_reading(m, rule, (1,), 2, m.recurrent)


def _lapicque(m: Any) -> Reading:
    theta = number(m.threshold)
    dt, r, c = (number(getattr(m, name)) for name in ("time_step", "R", "C"))
    keep, gain = 1 - dt / (r * c), r * (1 / (r * c)) * dt
    update = Update.of([[keep]], [gain], [0])
    rule = _snn_rule(m, update, Update.of([[keep]], [gain], [-theta]), Update.of([[0]], [0], [0]))
    return _snn_reading(m, rule, (1,), 1)


def _synaptic(m: Any, recurrent: nn.Module | None = None) -> Reading:
    theta, alpha, beta = number(m.threshold), _unit(m, "alpha"), _unit(m, "beta")
    update = Update.of([[beta, alpha], [0, alpha]], [1, 1], [0, 0])
    sub = Update.of([[beta, alpha], [0, alpha]], [1, 1], [-theta, 0])
    zero = Update.of([[0, 0], [0, alpha]], [0, 1], [0, 0])
    return _snn_reading(m, _snn_rule(m, update, sub, zero), (2, 1), 2 if recurrent is None else 3, recurrent)


def _rsynaptic(m: Any) -> Reading:
    _refuse(not m.reset_delay, "RSynaptic with reset_delay=False does not run in snnTorch itself")
    return _synaptic(m, m.recurrent)


def _alpha(m: Any) -> Reading:
    theta, alpha, beta = number(m.threshold), _unit(m, "alpha"), _unit(m, "beta")
    tau = np.log(alpha) / (np.log(beta) - np.log(alpha)) + 1
    rows = [[0, tau * alpha, tau * beta], [0, alpha, 0], [0, 0, beta]]  # v, excitatory, inhibitory
    update = Update.of(rows, [0, 1, -1], [0, 0, 0])
    sub = Update.of([[0, tau * alpha, tau * beta + 1], [0, alpha, 0], [0, 0, 0]], [0, 1, 0], [0, -theta, 0])
    zero = Update.of([[0] * 3] * 3, [0, 0, 0], [0, 0, 0])
    return _snn_reading(m, _snn_rule(m, update, sub, zero), (2, 3, 1), 3)


# Norse 1.1.0, norse/torch/functional: a spike resets v in its own step; inputs act in the step in which they arrive


def _norse(m: Any, update: Update, initial: list[Any], state: Callable[[list[torch.Tensor]], Any]) -> Reading:
    """The reading of a Norse cell; ``state`` makes the state that its forward returns of the rule's states."""
    p: Any = m.p
    reset: Reset = "set"
    v_reset = number(p.v_reset)
    method = getattr(getattr(p, "reset_method", None), "__name__", "reset_value")
    if method == "reset_subtract":
        reset = "subtract"
    else:
        _refuse(method != "reset_value", f"reset_method {method}; known are reset_value and reset_subtract")
    values = tuple(number(value) for value in initial)
    rule = Rule(update, number(p.v_th), False, reset, v_reset, initial=values)
    return Reading(rule, lambda found: (found[0], state(found[1:])))


def _share(m: Any, name: str) -> np.ndarray:
    """dt / tau, in the precision in which Norse multiplies them."""
    return number(m.dt * torch.as_tensor(getattr(m.p, name)))


def _norse_lif(m: Any) -> Reading:
    p = m.p
    mem, syn, leak = _share(m, "tau_mem_inv"), _share(m, "tau_syn_inv"), number(p.v_leak)
    update = Update.of([[1 - mem, mem], [0, 1 - syn]], [mem, 1 - syn], [mem * leak, 0])

    def state(found: list[torch.Tensor]) -> Any:
        from norse.torch.functional.lif import LIFFeedForwardState

        return LIFFeedForwardState(v=found[0], i=found[1])

    return _norse(m, update, [leak, 0.0], state)


def _norse_recurrent(m: Any) -> Reading:
    """LIF neurons behind input weights of their own, and recurrent weights for their spikes of the step before."""
    outputs, inputs = m.recurrent_weights.shape
    back = nn.Linear(inputs, outputs, bias=False)
    back.weight = nn.Parameter(m.recurrent_weights.detach())

    def returned(found: list[torch.Tensor]) -> Any:
        from norse.torch.functional.lif import LIFState

        return found[0], LIFState(z=found[0], v=found[1], i=found[2])

    def feed(x: torch.Tensor) -> torch.Tensor:
        return nn.functional.linear(x, m.input_weights)

    return replace(_norse_lif(m), returned=returned, recurrent=back, feed=feed)


def _norse_box(m: Any) -> Reading:
    mem, leak = _share(m, "tau_mem_inv"), number(m.p.v_leak)

    def state(found: list[torch.Tensor]) -> Any:
        from norse.torch.functional.lif_box import LIFBoxFeedForwardState

        return LIFBoxFeedForwardState(v=found[0])

    return _norse(m, Update.of([[1 - mem]], [mem], [mem * leak]), [leak], state)


def _norse_if(m: Any) -> Reading:
    def state(found: list[torch.Tensor]) -> Any:
        from norse.torch.functional.iaf import IAFFeedForwardState

        return IAFFeedForwardState(v=found[0])

    return _norse(m, Update.of([[1.0]], [1.0], [0.0]), [m.p.v_reset], state)


def _norse_li(m: Any) -> Reading:
    p = m.p
    mem, syn, leak = _share(m, "tau_mem_inv"), _share(m, "tau_syn_inv"), number(p.v_leak)
    update = Update.of([[1 - mem, mem], [0, 1 - syn]], [mem, 1 - syn], [mem * leak, 0])

    def state(found: list[torch.Tensor]) -> Any:
        from norse.torch.functional.leaky_integrator import LIState

        return LIState(v=found[1], i=found[2])

    silent = Rule(update, np.asarray(np.inf), False, "none", initial=(leak, np.zeros(())))
    return Reading(silent, lambda found: (found[1], state(found)))


# SpikingJelly, and converters.trained.nodes, which has its equations


def _jelly(m: Any, rate: Any, decay_input: bool) -> Reading:
    """The reading of a SpikingJelly neuron; ``rate``: 1 / tau, 0 without leak (:mod:`converters.trained.nodes`)."""
    _refuse(getattr(m, "store_v_seq", False), "store_v_seq; leave it out")
    v_reset = None if m.v_reset is None else float(m.v_reset)
    rest = 0.0 if v_reset is None else v_reset
    rate = number(rate)
    update = Update.of([[1 - rate]], [rate if decay_input else 1.0], [rate * rest])
    reset: Reset = "subtract" if v_reset is None else "set"
    theta = number(m.v_threshold)
    return Reading(Rule(update, theta, True, reset, np.asarray(rest), initial=(np.asarray(rest),)))


def _jelly_if(m: Any) -> Reading:
    return _jelly(m, 0.0, decay_input=False)


def _jelly_lif(m: Any) -> Reading:
    # releases without the attribute always let inputs decay
    return _jelly(m, 1.0 / m.tau, getattr(m, "decay_input", True))


def _jelly_plif(m: Any) -> Reading:
    return _jelly(m, torch.sigmoid(m.w.detach().double()), getattr(m, "decay_input", True))


def _no_rule(m: Any) -> Reading:
    """Refuse a neuron whose equations no rule covers."""
    raise DeployError("no rule is known for its equations; register it if mem = decay mem + x covers it")


_JELLY: dict[str, Reader] = {
    "IFNode": _jelly_if, "MultiStepIFNode": _jelly_if, "LIFNode": _jelly_lif, "MultiStepLIFNode": _jelly_lif,
    "ParametricLIFNode": _jelly_plif, "MultiStepParametricLIFNode": _jelly_plif, "BaseNode": _no_rule,
}  # fmt: skip

_SNNTORCH: dict[str, Reader] = {
    "Leaky": _leaky, "RLeaky": _rleaky, "Lapicque": _lapicque, "Synaptic": _synaptic, "RSynaptic": _rsynaptic,
    "Alpha": _alpha, "SpikingNeuron": _no_rule,
}  # fmt: skip

_NORSE_STATES = (
    "CobaLIFCell", "LILinearCell", "LIFCorrelation", "ExpFilter", "RecurrentSequential", "ConstantCurrentLIFEncoder",
    "PoissonEncoder", "PoissonEncoderStep", "SignedPoissonEncoder", "SignedPoissonEncoderStep", "SpikeLatencyLIFEncoder",
)  # fmt: skip
"""Modules that keep a state or draw random numbers, and are not derived from Norse's cell classes."""

_NORSE: dict[str, Reader] = {
    "LIFCell": _norse_lif, "LIF": _norse_lif, "LIFBoxCell": _norse_box, "IAFCell": _norse_if, "IAF": _norse_if,
    "LICell": _norse_li, "LI": _norse_li, "LIFRecurrentCell": _norse_recurrent, "LIFRecurrent": _norse_recurrent,
    **dict.fromkeys(("SNN", "SNNCell", "SNNRecurrent", "SNNRecurrentCell", *_NORSE_STATES), _no_rule),
}  # fmt: skip

READERS: dict[tuple[str, str], Reader] = {
    (package, name): read
    for package, own in (("snntorch", _SNNTORCH), ("norse", _NORSE), ("spikingjelly", _JELLY))
    for name, read in own.items()
}
"""Readers by package and class name; a subclass that overrides no method is read as the nearest of its bases."""
