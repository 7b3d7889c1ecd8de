"""Complex numbers, with which rotary positions may be written: pairs of real numbers, multiplied by constants.

A complex tensor is a value with one more axis, of (real, imaginary). A product with a constant w is linear in the pair,
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
SAME = frozenset({"alias", "clone", "contiguous", "detach"})


@dataclass(frozen=True)
class Complex(Selection):
    """A complex tensor of shape S, held as a value (*S, 2) of its real and imaginary parts."""

    pairs: Value

    def follow(self, call: Call) -> Any:
        """An operation on the complex numbers: their pairs, a move, a product with a constant, or a Fourier transform.

        Raises:
            Unsupported: another operation, or a product of two complex activations.
        """
        if call.function in SAME:
            return self
        if call.function in RESHAPES:
            return Complex(self.pairs.routed(("reshape", [*call.shape, 2])))
        match call.function:
            case "view_as_real":
                return self.pairs
            case "slice" | "select" | "permute" | "transpose" | "constant_pad_nd":
                return Complex(self._moved(call))
            case "_fft_c2c" | "_fft_c2r":
                return HANDLERS[call.function](call)
            case "mul" | "mul_":
                return Complex(_turned(call, *sorted(call.args[:2], key=lambda arg: arg is not self)))
            case _:
                raise Unsupported("a function of complex numbers")

    def _moved(self, call: Call) -> Value:
        """The pairs after an operation on axes of the complex numbers.

        Raises:
            Unsupported: padding with other numbers than zeros.
        """
        rank = len(self.pairs.shape) - 1
        axes, *rest = call.args[1:]
        if call.function == "constant_pad_nd":
            if rest and rest[0] != 0:
                raise Unsupported("complex numbers padded with other numbers than zeros")
            axes = [0, 0, *axes]
        elif call.function == "permute":
            axes = [*(axis % rank for axis in axes), rank]
        else:
            axes, rest = axes % rank, [rest[0] % rank] if call.function == "transpose" else rest
        return HANDLERS[call.function](replace(call, args=(self.pairs, axes, *rest), shape=(*call.shape, 2)))


@handles("view_as_complex")
def view_as_complex(call: Call) -> Complex:
    """A value (*S, 2) of pairs, seen as complex numbers."""
    return Complex(call.args[0])


@handles("view_as_real")
def view_as_real(call: Call) -> Value:
    """Refused: of complex numbers :meth:`Complex.follow` gives the pairs, and other values have none."""
    raise Unsupported("pairs of what is no complex number")


def _turned(call: Call, numbers: Complex, by: Any) -> Value:
    """The pairs of the product of complex numbers and a constant.

    Raises:
        Unsupported: ``by`` is no constant.
    """
    if not isinstance(by, torch.Tensor | int | float | complex):
        raise Unsupported("a product of two complex activations")
    w = torch.as_tensor(by).to(torch.complex128).expand(call.shape)
    pairs = numbers.pairs
    if pairs.shape != (*call.shape, 2):
        pairs = HANDLERS["expand"](replace(call, function="expand", args=(pairs,), kwargs={}, shape=(*call.shape, 2)))
    own, other = torch.stack([w.real, w.real], -1), torch.stack([-w.imag, w.imag], -1)
    swapped = pairs.routed(("take", [len(call.shape), [1, 0]]))
    return summed(replace(call, shape=(*call.shape, 2)), [scale(pairs, own), scale(swapped, other)], np.zeros(1))
