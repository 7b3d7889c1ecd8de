"""Elementwise functions that a threshold schedule can compute, and their inverses.

A neuron fires + at step k when f(v) >= s m_k and - when f(v) <= -s m_k. Where f is monotone, or has one minimum,
both are conditions on v itself, so the activation costs a table and no stage (docs/design.md, Phase neuron).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import torch
from scipy.special import erf, erfc, expit

FAR = 1e4  # beyond any potential that a 24-bit state can hold in real units of a trained network
HALVINGS = 200  # of [-FAR, FAR]: exact to the last bit even for the smallest thresholds, 2^-128, which lie near zero


SILU_TURN = -1.2784645427610738  # where v sigmoid(v) is smallest
LARGEST = 600.0  # of which an exponential is taken: that over a scale is a number still
LEAST = 1e-30  # of which a logarithm is taken: that of zero is no number
SELU, SELU_ALPHA = 1.0507009873554805, 1.6732632423543772  # Klambauer et al., 2017


@dataclass(frozen=True)
class Activation:
    """f in numpy (for tables) and torch (for the ideal); it rises from ``argmin`` on, -inf if f is monotone."""

    numpy: Callable[[np.ndarray], np.ndarray]
    torch: Callable[[torch.Tensor], torch.Tensor]
    argmin: float = -math.inf

    def rises_to(self, target: np.ndarray) -> np.ndarray:
        """Smallest v on the rising branch with f(v) >= target; inf where f never gets there, -inf where it always is."""
        low = np.full(target.shape, max(self.argmin, -FAR))
        first = self._bisect(low, target, rising=True)[1]
        first = np.where((low == -FAR) & (self.numpy(low) >= target), -np.inf, first)
        return np.where(self.numpy(np.full_like(target, FAR)) >= target, first, np.inf)

    def falls_to(self, target: np.ndarray) -> np.ndarray:
        """Largest v on the falling branch with f(v) >= target; -inf where there is none."""
        if not math.isfinite(self.argmin):
            return np.full(target.shape, -np.inf)
        last = self._bisect(np.full(target.shape, self.argmin), target, rising=False)[1]
        return np.where(self.numpy(np.full_like(target, -FAR)) >= target, last, -np.inf)

    def band(self, target: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """[lo, hi] of potentials with f(v) <= target; empty (inf, -inf) where there are none, infinite where f stays below."""
        floor = np.full(target.shape, max(self.argmin, -FAR))
        some = self.numpy(floor) <= target
        hi = self._bisect(floor, target, rising=True)[1]
        hi = np.where(self.numpy(np.full_like(target, FAR)) <= target, np.inf, hi)
        lo = np.full(target.shape, -np.inf)
        if math.isfinite(self.argmin):
            lo = np.where(target < 0, self._bisect(floor, target, rising=False)[0], -np.inf)
        return np.where(some, lo, np.inf), np.where(some, hi, -np.inf)

    def _bisect(self, start: np.ndarray, target: np.ndarray, *, rising: bool) -> tuple[np.ndarray, np.ndarray]:
        """Neighbouring numbers (before, beyond) between which f reaches ``target``, going outwards from ``start``."""
        inner, outer = start.copy(), np.full(start.shape, FAR if rising else -FAR)
        for _ in range(HALVINGS):
            middle = (inner + outer) / 2
            beyond = self.numpy(middle) >= target
            inner, outer = np.where(beyond, inner, middle), np.where(beyond, middle, outer)
        return inner, outer


def _gelu(v: np.ndarray) -> np.ndarray:
    return v * 0.5 * erfc(-v / math.sqrt(2))  # 1 + erf cancels below -7


def _gelu_tanh(v: np.ndarray) -> np.ndarray:
    return v * expit(2 * math.sqrt(2 / math.pi) * (v + 0.044715 * v**3))  # (1 + tanh u) / 2


def _silu(v: np.ndarray) -> np.ndarray:
    return v * expit(v)


def _sine_rise(v: np.ndarray) -> np.ndarray:
    """What the sine has risen by since 0, less what it has fallen by before 0: 2 in each turn."""
    return np.sin(v) + _sine_fall(v)


def _sine_fall(v: np.ndarray) -> np.ndarray:
    turns = np.floor(v / (2 * math.pi) + 0.25)  # that begin a quarter before 0
    falls = v - 2 * math.pi * turns > math.pi / 2  # in the second half of a turn
    return 2 * turns + np.where(falls, 1.0 - np.sin(v), 0.0)


def _torch_sine_fall(v: torch.Tensor) -> torch.Tensor:
    turns = torch.floor(v / (2 * math.pi) + 0.25)
    falls = v - 2 * math.pi * turns > math.pi / 2
    return 2 * turns + torch.where(falls, 1.0 - torch.sin(v), 0.0)


def _power(exponent: float) -> Activation:
    """v to a power; 0 below zero unless the exponent is odd.

    Raises:
        ValueError: the exponent is even: such a power falls to where it rises.
    """
    if exponent % 2 == 0:
        raise ValueError(f"v to the power of {exponent:g} neither rises nor falls throughout")
    if exponent % 2 == 1:
        return Activation(lambda v: v**exponent, lambda v: v**exponent)
    return Activation(lambda v: np.maximum(v, 0) ** exponent, lambda v: v.clamp(min=0) ** exponent, argmin=0.0)


def _pieces(left: float, *numbers: float) -> Activation:
    """A function of straight pieces, of which none falls; it may jump where they meet.

    Args:
        left: the slope before the first knot.
        numbers: for each knot, in ascending order, its potential, and the function's limit from below, value and limit
            from above there; then the slope after the last knot.

    Raises:
        ValueError: these are not four numbers for each of one knot or more, or knots do not ascend.
    """
    *knots, right = numbers
    at, below, value, above = np.ascontiguousarray(np.array(knots, float).reshape(-1, 4).T)
    if not len(at) or (np.diff(at) <= 0).any():
        raise ValueError("knots of a function of straight pieces have to ascend, and there is one at least")
    slope = np.array([left, *((below[1:] - above[:-1]) / np.diff(at)), right])
    start, height = np.array([at[0], *at]), np.array([below[0], *above])

    def by_table(v: np.ndarray) -> np.ndarray:
        piece = np.searchsorted(at, v)  # how many knots lie below v
        meets = np.minimum(piece, len(at) - 1)
        return np.where(v == at[meets], value[meets], height[piece] + slope[piece] * (v - start[piece]))

    def by_tensors(v: torch.Tensor) -> torch.Tensor:
        knot, step, origin, base, own = (torch.as_tensor(t).to(v) for t in (at, slope, start, height, value))
        piece = torch.searchsorted(knot, v.detach().contiguous())
        meets = piece.clamp(max=len(at) - 1)
        return torch.where(v == knot[meets], own[meets], base[piece] + step[piece] * (v - origin[piece]))

    return Activation(by_table, by_tensors)


F = torch.nn.functional
ACTIVATIONS: dict[str, Activation] = {
    "identity": Activation(lambda v: v, lambda v: v),
    "relu": Activation(lambda v: np.maximum(v, 0), F.relu, argmin=0.0),
    "gelu": Activation(_gelu, F.gelu, argmin=-0.7517915246935645),
    "gelu_tanh": Activation(_gelu_tanh, lambda v: F.gelu(v, approximate="tanh"), argmin=-0.7524614220710163),
    "quick_gelu": Activation(lambda v: v * expit(1.702 * v), lambda v: v * torch.sigmoid(1.702 * v), SILU_TURN / 1.702),
    "silu": Activation(_silu, F.silu, argmin=SILU_TURN),
    "mish": Activation(lambda v: v * np.tanh(np.logaddexp(0, v)), F.mish, argmin=-1.1924312145154265),
    "hardswish": Activation(lambda v: v * np.clip(v / 6 + 0.5, 0, 1), F.hardswish, argmin=-1.5),
    "hardsigmoid": Activation(lambda v: np.clip(v / 6 + 0.5, 0, 1), F.hardsigmoid),
    "sigmoid": Activation(expit, torch.sigmoid),
    "tanh": Activation(np.tanh, torch.tanh),
    "erf": Activation(erf, torch.erf),
    "softsign": Activation(lambda v: v / (1 + np.abs(v)), F.softsign),
    "selu": Activation(lambda v: SELU * np.where(v > 0, v, SELU_ALPHA * np.expm1(np.minimum(v, 0))), F.selu),
    "exp": Activation(lambda v: np.exp(np.minimum(v, LARGEST)), torch.exp),
    "cube": Activation(lambda v: v**3, lambda v: v**3),
    "atan": Activation(np.arctan, torch.atan),
    "asinh": Activation(np.arcsinh, torch.asinh),
    "asin": Activation(lambda v: np.arcsin(np.clip(v, -1, 1)), lambda v: torch.asin(v.clamp(-1, 1))),
    "sine_rise": Activation(_sine_rise, lambda v: torch.sin(v) + _torch_sine_fall(v)),
    "sine_fall": Activation(_sine_fall, _torch_sine_fall),
    "log_sigmoid": Activation(lambda v: -np.logaddexp(0, -v), F.logsigmoid),
    "sqrt": Activation(lambda v: np.sqrt(np.maximum(v, 0)), lambda v: v.clamp(min=0).sqrt(), argmin=0.0),
    "log": Activation(lambda v: np.log(np.maximum(v, LEAST)), lambda v: v.clamp(min=LEAST).log()),
}
"""Functions without parameters, by name; :func:`activation` also knows those with some."""

FAMILIES: dict[str, Callable[..., Activation]] = {
    "clamp": lambda low, high: Activation(lambda v: np.clip(v, low, high), lambda v: v.clamp(low, high)),
    "leaky_relu": lambda slope: Activation(lambda v: np.where(v > 0, v, slope * v), lambda v: F.leaky_relu(v, slope)),
    "elu": lambda alpha: Activation(
        lambda v: np.where(v > 0, v, alpha * np.expm1(np.minimum(v, 0))), lambda v: F.elu(v, alpha)
    ),
    "celu": lambda alpha: Activation(
        lambda v: np.where(v > 0, v, alpha * np.expm1(np.minimum(v, 0) / alpha)), lambda v: F.celu(v, alpha)
    ),
    "softplus": lambda beta: Activation(
        lambda v: np.logaddexp(0, beta * v) / beta, lambda v: F.softplus(v, beta, 50.0)
    ),
    "softshrink": lambda width: Activation(
        lambda v: np.sign(v) * np.maximum(np.abs(v) - width, 0), lambda v: F.softshrink(v, width)
    ),
    "power": _power,
    "pieces": _pieces,
}
"""Functions with parameters: "leaky_relu:0.01", "clamp:0,6", "clamp:0,inf"; all of them are monotone."""


@lru_cache(maxsize=1024)
def activation(name: str) -> Activation:
    """The function called ``name``: one of ``ACTIVATIONS``, or of ``FAMILIES`` with its parameters behind a colon.

    Raises:
        KeyError: no function has that name.
        ValueError: the parameters are not numbers, or not as many as the function takes.
    """
    family, _, parameters = name.partition(":")
    if not parameters:
        return ACTIVATIONS[name]
    try:
        return FAMILIES[family](*(float(parameter) for parameter in parameters.split(",")))
    except TypeError as error:
        raise ValueError(f"'{family}' does not take the parameters '{parameters}'") from error


def fires_at_rest(name: str) -> bool:
    """Whether f(0) is not 0, so that a neuron may fire at a potential of 0."""
    return float(activation(name).numpy(np.zeros(1))[0]) != 0
