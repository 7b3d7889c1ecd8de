"""Threshold schedules of activations: firing on the table is coding f(v)."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from processes.phase_code import PhaseCode
from processes.phase_neuron import PhaseNeuron
from processes.phase_neuron.activations import ACTIVATIONS
from processes.phase_neuron.activations import activation as activation_of
from processes.phase_neuron.further import root_tables
from processes.phase_neuron.schedule import FloatSchedule
from tests.processes.reference import GRID, graded, run
from tests.tolerances import ROUNDING, TIE

PARAMETERS = (
    "clamp:0,6",
    "clamp:-1,1",
    "clamp:-0.5,inf",
    "leaky_relu:0.1",
    "elu:1",
    "celu:0.5",
    "softplus:2",
    "softshrink:0.5",
    "power:0.75",
    "power:2.5",
    "power:9",
    "pieces:0.1,0,0,0,0,1",
    "pieces:0,-1.5,-2,-1,-0.5,0.5,-0.5,0,0,0.5",
)
FUNCTIONS = [*sorted(ACTIVATIONS), *PARAMETERS]
SCALES = np.array([0.05, 1.0, 8.0])


def scalar(function: str, v: float) -> float:
    """f by the standard library."""
    match function:
        case "identity":
            return v
        case "relu":
            return max(v, 0.0)
        case "gelu":
            return v * 0.5 * math.erfc(-v / math.sqrt(2))
        case "gelu_tanh":
            u = math.sqrt(2 / math.pi) * (v + 0.044715 * v**3)
            return v / (1 + math.exp(-2 * u)) if u > -350 else 0.0
        case "silu":
            return v / (1 + math.exp(-v)) if v > -700 else 0.0
        case "sigmoid":
            return 1 / (1 + math.exp(-v)) if v > -700 else 0.0
        case "tanh":
            return math.tanh(v)
        case "exp":
            return math.exp(v)
        case "quick_gelu":
            return v * scalar("sigmoid", 1.702 * v)
        case "hardsigmoid":
            return min(max(v / 6 + 0.5, 0.0), 1.0)
        case "hardswish":
            return v * scalar("hardsigmoid", v)
        case "mish":
            return v * math.tanh(scalar("softplus:1", v))
        case "erf":
            return math.erf(v)
        case "softsign":
            return v / (1 + abs(v))
        case "cube":
            return v**3
        case "atan":
            return math.atan(v)
        case "asinh":
            return math.asinh(v)
        case "asin":
            return math.asin(min(max(v, -1.0), 1.0))
        case "sine_rise":
            return scalar("sine_fall", v) + math.sin(v)
        case "sine_fall":  # by turns: 2 for each, and what the one that is not over has fallen by
            over, angle = divmod(v + math.pi / 2, 2 * math.pi)
            return 2 * over + (1 - math.sin(v) if angle >= math.pi else 0.0)
        case "log_sigmoid":
            return min(v, 0.0) - math.log1p(math.exp(-abs(v)))
        case "sqrt":
            return math.sqrt(max(v, 0.0))
        case "log":
            return math.log(max(v, 1e-30))
        case "selu":
            return 1.0507009873554805 * scalar("elu:1.6732632423543772", v)
    family, parameters = function.split(":")
    a, *more = map(float, parameters.split(","))
    if function == "pieces:0.1,0,0,0,0,1":
        return v if v > 0 else 0.1 * v
    if family == "pieces":
        return {-1.5: -1.0, 0.5: 0.0}.get(v, -2.0 if v < -1.5 else -0.5 if v < 0.5 else (v - 0.5) / 2)
    match family:
        case "clamp":
            return min(max(v, a), *more)
        case "leaky_relu":
            return v if v > 0 else a * v
        case "elu":
            return v if v > 0 else a * math.expm1(v)
        case "celu":
            return v if v > 0 else a * math.expm1(v / a)
        case "softplus":
            return max(v, 0.0) + math.log1p(math.exp(-abs(a * v))) / a
        case "softshrink":
            return math.copysign(max(abs(v) - a, 0.0), v)
        case "power":
            return v**a if a % 2 == 1 else max(v, 0.0) ** a
    raise AssertionError(function)


def neuron(function: str, scale: float, code: PhaseCode, size: int, unit: float = 1.0) -> PhaseNeuron:
    schedule = FloatSchedule(
        function=function,
        scale=np.full((1, 1), scale),
        unit=np.full((1, 1), unit),
        base=code.base,
        steps=code.steps,
    )
    return PhaseNeuron(shape=(1, size), schedule=schedule)


@pytest.mark.parametrize("function", FUNCTIONS)
def test_numpy_torch_and_the_definition_agree(function: str) -> None:
    v = np.linspace(-12, 12, 2001)
    expected = np.array([scalar(function, x) for x in v])
    activation = activation_of(function)
    tolerance = dict(rtol=1e3 * ROUNDING, atol=ROUNDING)
    assert np.allclose(activation.numpy(v), expected, **tolerance)
    assert np.allclose(activation.torch(torch.from_numpy(v)).numpy(), expected, **tolerance)


@pytest.mark.parametrize("function", FUNCTIONS)
@pytest.mark.parametrize("base, steps", GRID)
def test_firing_codes_f_directly(function: str, base: float, steps: int) -> None:
    """Except where f(v) lies within TIE of a threshold."""
    code = PhaseCode(base, steps)
    rng = np.random.default_rng(steps)
    v = np.concatenate([np.linspace(-20, 8, 700), rng.normal(0, 1, 400), [0.0, -0.0, -700.0, 9000.0, -9000.0]])
    if function == "exp":
        v = v[v < 700]
    f = np.array([scalar(function, x) for x in v.tolist()])
    for scale in SCALES.tolist():
        thresholds = scale * code.midpoints
        reached = np.abs(f)[:, None] >= thresholds
        expected = np.where(reached.any(1), (reached.argmax(1) + 1) * np.sign(f), 0)
        tie = (np.abs(np.abs(f)[:, None] - thresholds) <= TIE * thresholds).any(1)
        op = neuron(function, scale, code, v.size, unit=0.25)
        codes = op.closed_form(torch.from_numpy(v[None, None] / 0.25)).values[0, 0, 0].numpy()
        assert ((codes == expected) | tie).all(), v[(codes != expected) & ~tie]
    assert (run(op, graded(v[None] / 0.25, 0)).codes[0, 0] == codes).all()


@pytest.mark.parametrize("function", FUNCTIONS)
@pytest.mark.parametrize("base, steps", GRID)
def test_tables_are_nested(function: str, base: float, steps: int) -> None:
    """A later step fires wherever an earlier one does: only then may the first step be found by bisection."""
    pos, lo, hi = root_tables(function, SCALES, PhaseCode(base, steps))
    later, earlier = (..., slice(1, None)), (..., slice(None, -1))
    assert (pos[later] <= pos[earlier]).all()
    some = lo[earlier] <= hi[earlier]
    assert (lo[later] <= lo[earlier])[some].all() and (hi[later] >= hi[earlier])[some].all()
    assert (lo[later] <= hi[later])[some].all(), "a band that opens stays open"
    assert not (np.isnan(pos) | np.isnan(lo) | np.isnan(hi)).any()
    assert (hi < pos).all(), "no potential fires both signs at once"


@pytest.mark.parametrize("function", ["gelu", "gelu_tanh", "quick_gelu", "silu", "mish", "hardswish"])
def test_the_turning_point_is_the_minimum(function: str) -> None:
    activation = activation_of(function)
    v = activation.argmin + np.linspace(-1e-3, 1e-3, 2001)
    assert activation.numpy(v).min() >= activation.numpy(np.array([activation.argmin])).item() - ROUNDING


@pytest.mark.parametrize("function", ["relu", "sigmoid", "exp", "hardsigmoid", "clamp:0,6", "softplus:2"])
def test_functions_without_negative_values_send_no_negative_spike(function: str) -> None:
    op = neuron(function, 1.0, PhaseCode(1.15, 40), 2001)
    codes = op.closed_form(torch.linspace(-50, 50, 2001, dtype=torch.float64)[None, None]).values
    assert (codes >= 0).all() and (codes > 0).any()


@pytest.mark.parametrize("name", ["sine", "clamp:1", "clamp:a,b", "leaky_relu"])
def test_names_that_are_no_function_are_refused(name: str) -> None:
    with pytest.raises((KeyError, ValueError)):
        activation_of(name)
