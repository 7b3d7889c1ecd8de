"""Arrays that operations keep, as tensors on a device, copied there once."""

from __future__ import annotations

import warnings
import weakref
from collections.abc import Callable

import numpy as np
import torch

Make = Callable[[np.ndarray], np.ndarray]
Key = tuple[torch.device, torch.dtype | None, Make | None]

SIGNED = {np.dtype(np.uint32): np.int32, np.dtype(np.uint64): np.int64, np.dtype(np.uint16): np.int16}
"""Torch knows few functions of unsigned integers: signed ones of as many bits stand for them."""

_copies: dict[int, dict[Key, torch.Tensor]] = {}
"""By the identity of an array that is alive, its copies."""


def constant(
    array: np.ndarray, device: torch.device, dtype: torch.dtype | None = None, made: Make | None = None
) -> torch.Tensor:
    """``array``, or what ``made`` makes of it, as a tensor on a device, of its own type or of another.

    Unsigned integers become signed ones of the same bits. A copy on another device than the CPU is kept as long as the array
    lives, so the array may not change any more.
    """
    if device.type == "cpu":
        return _tensor(array, dtype, made)
    copies = _copies.get(id(array))
    if copies is None:
        copies = _copies[id(array)] = {}
        weakref.finalize(array, _copies.pop, id(array), None)
    key = (device, dtype, made)
    if key not in copies:
        copies[key] = _tensor(array, dtype, made).to(device)
    return copies[key]


def _tensor(array: np.ndarray, dtype: torch.dtype | None, made: Make | None) -> torch.Tensor:
    array = array if made is None else made(array)
    array = array.view(SIGNED[array.dtype]) if array.dtype in SIGNED else array
    return torch.tensor(array, dtype=dtype)


def shared(array: np.ndarray) -> torch.Tensor:
    """A tensor on the CPU that reads an array's own memory, and that nobody may write to; strided arrays are copied."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "The given NumPy array is not writable", UserWarning)
        return torch.from_numpy(np.ascontiguousarray(array))
