"""Complex numbers, as rotary positions and Fourier transforms make them: pairs of real numbers.

A complex tensor is a value with one more axis, of (real, imaginary). A product with a constant w is linear in the pair,
(re w_re - im w_im, im w_re + re w_im): two gains and a swap. One with another value takes two products instead.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch

from converters.lowering.arithmetic import broadcast, scale, summed
from converters.lowering.builder import Selection, Unsupported, Value
from converters.lowering.curves import resolved
from converters.lowering.handlers import HANDLERS, Call, handles

RESHAPES = frozenset({"reshape", "view", "unsqueeze", "squeeze", "flatten", "unflatten", "_unsafe_view"})
SAME = frozenset({"alias", "clone", "contiguous", "detach", "resolve_conj"})


@dataclass(frozen=True)
class Complex(Selection):
    """A complex tensor of shape S, held as a value (*S, 2) of its real and imaginary parts."""

    pairs: Value

    def follow(self, call: Call) -> Any:
        """An operation on the complex numbers: a move, a sum, a product, a magnitude, a Fourier transform, or the pairs.

        Raises:
            Unsupported: another operation.
        """
        if call.function in SAME:
            return self
        if call.function in RESHAPES:
            return Complex(self.pairs.routed(("reshape", [*call.shape, 2])))
        match call.function:
            case "view_as_real":
                return self.pairs
            case "slice" | "select" | "permute" | "transpose" | "constant_pad_nd" | "roll" | "flip" | "mean" | "sum":
                return Complex(self._moved(call))
            case "add" | "add_" | "sub" | "sub_":
                both = tuple(_pairs(operand) for operand in call.args[:2])
                return Complex(HANDLERS[call.function](replace(call, args=both, shape=(*call.shape, 2))))
            case "cat":
                parts, axis = [_pairs(operand) for operand in call.args[0]], call.arg(1, "dim", 0) % len(call.shape)
                return Complex(HANDLERS["cat"](replace(call, args=(parts, axis), kwargs={}, shape=(*call.shape, 2))))
            case "neg":
                return Complex(scale(self.pairs, -1.0))
            case "_conj" | "conj_physical":
                return Complex(scale(self.pairs, torch.tensor([1.0, -1.0])))
            case "abs":
                return HANDLERS["linalg_vector_norm"](replace(call, args=(self.pairs, 2.0, [-1]), kwargs={}))
            case "bmm" | "mm" | "matmul":
                return Complex(_product(call, self))
            case "copy":
                return _copied(call)
            case "slice_scatter":
                into, what = (_pairs(operand) for operand in call.args[:2])
                axis, *where = call.args[2:]
                args = (into, what, axis % len(call.shape), *where)
                return Complex(HANDLERS["slice_scatter"](replace(call, args=args, shape=(*call.shape, 2))))
            case "_fft_c2c" | "_fft_c2r":
                return HANDLERS[call.function](call)
            case "mul" | "mul_":
                other = call.args[1] if call.args[0] is self else call.args[0]
                both = isinstance(other, Complex | Value)
                return Complex(_times(call, self, other) if both else _turned(call, self, other))
            case "div" | "div_" if call.args[0] is self and not isinstance(call.args[1], Complex | Value):
                return Complex(_turned(call, self, 1 / torch.as_tensor(call.args[1]).to(torch.complex128)))
            case _:
                raise Unsupported("a function of complex numbers")

    def _moved(self, call: Call) -> Value:
        """The pairs after an operation on axes of the complex numbers.

        Raises:
            Unsupported: padding with other numbers than zeros.
        """
        rank, (axes, *rest) = len(self.pairs.shape) - 1, call.args[1:]
        match call.function:
            case "constant_pad_nd":
                if rest and rest[0] != 0:
                    raise Unsupported("complex numbers padded with other numbers than zeros")
                axes = [0, 0, *axes]
            case "permute":
                axes = [*(axis % rank for axis in axes), rank]
            case "transpose":
                axes, rest = axes % rank, [rest[0] % rank]
            case "roll":
                rest = [[axis % rank for axis in rest[0]]]
            case "flip" | "mean" | "sum":
                axes = [axis % rank for axis in axes]
            case _:
                axes %= rank
        return HANDLERS[call.function](replace(call, args=(self.pairs, axes, *rest), shape=(*call.shape, 2)))


@handles("view_as_complex")
def view_as_complex(call: Call) -> Complex:
    """A value (*S, 2) of pairs, seen as complex numbers."""
    return Complex(call.args[0])


@handles("view_as_real")
def view_as_real(call: Call) -> Value:
    """Refused: of complex numbers :meth:`Complex.follow` gives the pairs, and other values have none."""
    raise Unsupported("pairs of what is no complex number")


@handles("complex")
def made_of_parts(call: Call) -> Complex:
    """Complex numbers of real and imaginary parts, either of which may be constant."""
    parts = [
        part.routed(("reshape", [*part.shape, 1])) if isinstance(part, Value) else torch.as_tensor(part).unsqueeze(-1)
        for part in call.args
    ]
    shape = (*call.shape, 2)
    return Complex(HANDLERS["cat"](replace(call, args=(parts, len(call.shape)), kwargs={}, shape=shape)))


@handles("_conj", "conj_physical", "resolve_conj")
def conjugate(call: Call) -> Any:
    """The conjugate of real numbers, which are their own; of complex ones :meth:`Complex.follow` gives it."""
    return call.args[0]


def _copied(call: Call) -> Any:
    """What is written over all of a tensor: complex numbers of its shape, or a constant.

    Raises:
        Unsupported: they would have to be repeated.
    """
    new = call.args[1]
    if isinstance(new, Complex) and new.pairs.shape != (*call.shape, 2):
        raise Unsupported("complex numbers that are repeated where they are written")
    return new if isinstance(new, Complex) else torch.as_tensor(new).expand(call.shape)


def _pairs(numbers: Any) -> Any:
    """Pairs of complex numbers, of real ones with an imaginary part of 0, or of a constant."""
    if isinstance(numbers, Complex):
        return numbers.pairs
    if isinstance(numbers, Value):
        return numbers.routed(("reshape", [*numbers.shape, 1])).routed(("pad", [0, 1]))
    return torch.view_as_real(torch.as_tensor(numbers).to(torch.complex128))


def _product(call: Call, numbers: Complex) -> Value:
    """The pairs of matrix products of complex numbers (..., n, k) and a constant w (..., k, m), by real matrices.

    They are (re, im) times ((w_re, w_im), (-w_im, w_re)).

    Raises:
        Unsupported: the second factor is no constant.
    """
    x, w = call.args
    if x is not numbers or not isinstance(w, torch.Tensor) or w.ndim < 2:
        raise Unsupported("a matrix product of complex activations, or one in which a constant comes first")
    w = w.to(torch.complex128)
    rows = torch.stack([torch.view_as_real(w), torch.view_as_real(1j * w)], -3)  # (..., k, 2, m, 2)
    *lead, k, _ = numbers.pairs.shape
    flat = numbers.pairs.routed(("reshape", [*lead, 2 * k]))
    args = (flat, rows.flatten(-2).flatten(-3, -2))
    y = HANDLERS[call.function](replace(call, args=args, shape=(*call.shape[:-1], 2 * call.shape[-1])))
    return y.routed(("reshape", [*call.shape, 2]))


def _times(call: Call, numbers: Complex, by: Complex | Value) -> Value:
    """The pairs of the product of complex numbers and complex or real activations."""
    shape, axis = (*call.shape, 2), len(call.shape)
    inner, pairs = replace(call, shape=shape, kwargs={}), broadcast(numbers.pairs, shape)
    if isinstance(by, Value):
        own = broadcast(by.routed(("reshape", [*by.shape, 1])), shape)
        return resolved(HANDLERS["mul"](replace(inner, function="mul", args=(pairs, own))))
    others = broadcast(by.pairs, shape)
    real, imaginary = (others.routed(("take", [axis, [part, part]])) for part in (0, 1))
    swapped = pairs.routed(("take", [axis, [1, 0]]))
    own, other = (
        resolved(HANDLERS["mul"](replace(inner, function="mul", args=args, name=f"{call.name}.{name}")))
        for name, args in (("own", (pairs, real)), ("swapped", (swapped, imaginary)))
    )
    return summed(inner, [own, scale(other, torch.tensor([-1.0, 1.0]))], np.zeros(1))


def _turned(call: Call, numbers: Complex, by: Any) -> Value:
    """The pairs of the product of complex numbers and a constant."""
    w, shape = torch.as_tensor(by).to(torch.complex128).expand(call.shape), (*call.shape, 2)
    pairs = broadcast(numbers.pairs, shape)
    own, other = torch.stack([w.real, w.real], -1), torch.stack([-w.imag, w.imag], -1)
    swapped = pairs.routed(("take", [len(call.shape), [1, 0]]))
    return summed(replace(call, shape=shape), [scale(pairs, own), scale(swapped, other)], np.zeros(1))
