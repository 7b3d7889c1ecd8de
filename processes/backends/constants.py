"""Arrays that operations keep, as tensors on a device to which each is copied once."""

from __future__ import annotations

import warnings
import weakref
from collections.abc import Callable

import numpy as np
import torch

Make = Callable[[np.ndarray], np.ndarray]
"""Derives the array that is copied from the one that is kept."""
Key = tuple[torch.device, torch.dtype | None, Make | None]

SIGNED = {np.dtype(np.uint32): np.int32, np.dtype(np.uint64): np.int64, np.dtype(np.uint16): np.int16}
"""Signed types that stand for unsigned ones of as many bits, of which torch has few functions."""

_copies: dict[int, dict[Key, torch.Tensor]] = {}
"""Copies of every array that is alive, by its ``id``."""


def constant(
    array: np.ndarray, device: torch.device, dtype: torch.dtype | None = None, made: Make | None = None
) -> torch.Tensor:
    """``array``, or what ``made`` derives from it, as a tensor on a device, of its own type or of ``dtype``.

    Unsigned integers become signed ones of the same bits. A copy on another device than the CPU is kept as long as the
    array is alive, so the array may not change after the first call; on the CPU every call makes a copy.
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
    """A tensor on the CPU that shares an array's memory and must not be written to; a strided array is copied."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "The given NumPy array is not writable", UserWarning)
        return torch.from_numpy(np.ascontiguousarray(array))
