"""Complex numbers, as rotary positions are written with them: pairs of real ones, turned by constants.

A tensor of them is a value with one axis more, of (real, imaginary). A product with a constant w is linear in the pair,
(re w_re - im w_im, im w_re + re w_im): two gains and a swap.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch

from converters.lowering.arithmetic import scale, summed
from converters.lowering.builder import Selection, Unsupported, Value
from converters.lowering.handlers import HANDLERS, Call, handles

RESHAPES = frozenset({"reshape", "view", "unsqueeze", "squeeze", "flatten", "unflatten", "_unsafe_view"})
SAME = frozenset({"alias", "clone", "contiguous", "detach", "_assert_tensor_metadata"})


@dataclass(frozen=True)
class Complex(Selection):
    """Complex numbers of shape S by their pairs, a value (*S, 2)."""

    pairs: Value

    def follow(self, call: Call) -> Any:
        """Their pairs, other shapes of them, and products with constants.

        Raises:
            Unsupported: another function of them, or one of two activations.
        """
        if call.function in SAME:
            return self
        if call.function in RESHAPES:
            return Complex(self.pairs.routed(("reshape", [*call.shape, 2])))
        match call.function:
            case "view_as_real":
                return self.pairs
            case "mul" | "mul_":
                return Complex(_turned(call, *sorted(call.args[:2], key=lambda arg: arg is not self)))
            case _:
                raise Unsupported("a function of complex numbers")


@handles("view_as_complex")
def view_as_complex(call: Call) -> Complex:
    """Pairs of a value, from here on as numbers."""
    return Complex(call.args[0])


@handles("view_as_real")
def view_as_real(call: Call) -> Value:
    """Of complex numbers alone, which answer themselves."""
    raise Unsupported("pairs of what is no complex number")


def _turned(call: Call, numbers: Complex, by: Any) -> Value:
    """Pairs of the product with a constant."""
    if not isinstance(by, torch.Tensor | int | float | complex):
        raise Unsupported("a product of two complex activations")
    w = torch.as_tensor(by).to(torch.complex128).expand(call.shape)
    pairs = numbers.pairs
    if pairs.shape != (*call.shape, 2):
        pairs = HANDLERS["expand"](replace(call, function="expand", args=(pairs,), kwargs={}, shape=(*call.shape, 2)))
    own, other = torch.stack([w.real, w.real], -1), torch.stack([-w.imag, w.imag], -1)
    swapped = pairs.routed(("take", [len(call.shape), [1, 0]]))
    return summed(replace(call, shape=(*call.shape, 2)), [scale(pairs, own), scale(swapped, other)], np.zeros(1))
