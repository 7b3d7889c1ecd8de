"""What stands for a call whose result, or the shape of it, depends on the values of tensors that are known."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch

Answer = Callable[..., Any]
"""Takes the place of a function, with the function's arguments, and gives its result."""

ASKED = {
    "item", "__bool__", "__int__", "__float__", "__index__", "is_nonzero", "equal", "allclose", "nonzero", "argwhere", "unique",
    "unique_consecutive", "bincount",
}  # fmt: skip
"""Functions whose result is no tensor, or one whose shape depends on values."""
WITH_ONE = {"where", "repeat_interleave"}
"""Functions of which that is so if they have one argument."""
INDEXED = {"__getitem__", "__setitem__"}
SHAPES = {"ones_like", "zeros_like", "full_like", "empty_like", "new_zeros", "new_ones", "new_full", "new_empty"}
"""Functions and operations that read a tensor's shape and type and nothing else."""
CREATE = {"arange", "linspace", "zeros", "ones", "empty", "full"}
SIZED = {
    "view", "reshape", "expand", "repeat", "tile", "narrow", "select", "split", "chunk", "unflatten", "unfold", "roll", "pad",
    "interpolate", "topk", "multinomial", "one_hot", "tril", "triu",
}  # fmt: skip
"""Functions to which models give sizes as tensors of one integer; unlike those of ``CREATE``, their first argument is none."""
STEERED = frozenset(ASKED | WITH_ONE | INDEXED | SHAPES | CREATE | SIZED | {"masked_select"})


def answer_of(
    func: Any, args: tuple[Any, ...], kwargs: dict[str, Any], result: Any, marked: Callable[[Any], bool]
) -> Answer | None:
    """What stands for a call of a function; None for the function itself.

    Args:
        func: one of ``STEERED``.
        args: its arguments.
        kwargs: those given by name.
        result: what it has given.
        marked: whether any tensor among nested values depends on the input.
    """
    name = func.__name__
    if name in ASKED or (name in WITH_ONE and len(args) + len(kwargs) == 1):
        return None if marked((args, kwargs)) else constant(changed(torch.clone, result))
    if name in SHAPES:
        return None if marked(result) else constant(result.clone())
    if name in INDEXED:
        return None if marked(args[1]) else _at(func, args[1])
    if name == "masked_select":
        return None if marked(args[1]) else _selecting(*args)
    if name == "repeat_interleave":
        return None if marked((args[1:], kwargs)) else _repeating(*args, **kwargs)
    if name in CREATE | SIZED:
        data = 0 if name in CREATE else 1
        sizes = args[data:], kwargs
        if marked(sizes) or not tensors_in(sizes) or not all(map(_is_size, tensors_in(sizes))):
            return None
        fixed, named = changed(torch.Tensor.item, sizes)
        return lambda *given, **_: func(*given[:data], *fixed, **named)
    if name == "where":
        return None
    raise AssertionError(f"{name} is not in STEERED")


def constant(value: Any) -> Answer:
    """An answer that is always the same; tensors are copied, as a program may change what it gets."""
    return lambda *_, **__: changed(torch.clone, value)


def _at(func: Any, index: Any) -> Answer | None:
    """What stands for reading or writing at an index, with masks as the positions at which they hold, and sizes as integers."""
    parts: list[Any] = []
    for part in index if isinstance(index, tuple) else (index,):
        if isinstance(part, torch.Tensor) and part.dtype == torch.bool and part.dim():
            parts += part.nonzero(as_tuple=True)
        else:
            parts.append(changed(lambda t: t.item() if _is_size(t) else t.clone(), part))
    steers = any(_is_size(t) or (t.dtype == torch.bool and t.dim()) for t in tensors_in(index))
    return (lambda x, _, *value: func(x, tuple(parts), *value)) if steers else None


def _selecting(x: torch.Tensor, mask: torch.Tensor) -> Answer:
    """What stands for ``torch.masked_select`` with a mask."""
    shape = torch.broadcast_shapes(x.shape, mask.shape)
    places = mask.expand(shape).nonzero(as_tuple=True)
    return lambda x, _: x.expand(shape)[places]


def _repeating(x: torch.Tensor, repeats: Any, dim: int | None = None, output_size: int | None = None) -> Answer | None:
    """What stands for ``torch.repeat_interleave`` with a tensor of counts; None for an integer."""
    if not isinstance(repeats, torch.Tensor):
        return None
    axis, along = (0, x.flatten()) if dim is None else (dim, x)
    places = torch.arange(along.shape[axis]).repeat_interleave(repeats)
    return lambda x, *_, **__: (x.flatten() if dim is None else x).index_select(axis, places)


def changed(change: Callable[[torch.Tensor], Any], values: Any) -> Any:
    """Nested values, with what ``change`` makes of each tensor in its place; slices are nested, too."""
    if isinstance(values, torch.Tensor):
        return change(values)
    if isinstance(values, slice):
        return slice(*(changed(change, part) for part in (values.start, values.stop, values.step)))
    if isinstance(values, dict):
        return {name: changed(change, value) for name, value in values.items()}
    if isinstance(values, (tuple, list)):
        parts = [changed(change, value) for value in values]
        return parts if isinstance(values, list) else tuple(parts)
    return values


def tensors_in(values: Any) -> list[torch.Tensor]:
    """The tensors among nested values."""
    found: list[torch.Tensor] = []
    changed(found.append, values)
    return found


def _is_size(tensor: torch.Tensor) -> bool:
    """Whether a tensor is a single integer without axes."""
    return not (tensor.dim() or tensor.dtype.is_floating_point or tensor.dtype == torch.bool)
