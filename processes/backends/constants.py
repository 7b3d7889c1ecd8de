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

SMALL = 2**14
"""Values of an array whose copy on the CPU is kept: a copy is made about as fast as any operation reads it."""

_copies: dict[int, dict[Key, torch.Tensor]] = {}
"""Copies of every array that is alive, by its ``id``."""


def constant(
    array: np.ndarray, device: torch.device, dtype: torch.dtype | None = None, made: Make | None = None
) -> torch.Tensor:
    """``array``, or what ``made`` derives from it, as a tensor on a device, of its own type or of ``dtype``.

    Unsigned integers become signed ones of the same bits. The copy is kept as long as the array is alive, so neither the
    array nor the tensor may be written to; on the CPU, which has the array already, only that of a small one is.
    """
    key, copies = (device, dtype, made), _copies.get(id(array))
    if copies is not None and key in copies:
        return copies[key]
    copy = _tensor(array, dtype, made).to(device)
    if device.type == "cpu" and array.size > SMALL:
        return copy
    if copies is None:
        copies = _copies[id(array)] = {}
        weakref.finalize(array, _copies.pop, id(array), None)
    copies[key] = copy
    return copy


def _tensor(array: np.ndarray, dtype: torch.dtype | None, made: Make | None) -> torch.Tensor:
    array = array if made is None else made(array)
    array = array.view(SIGNED[array.dtype]) if array.dtype in SIGNED else array
    with torch.inference_mode(False):  # whoever asks later may need gradients
        return torch.tensor(array, dtype=dtype)


def shared(array: np.ndarray) -> torch.Tensor:
    """A tensor on the CPU that shares an array's memory and must not be written to; a strided array is copied."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "The given NumPy array is not writable", UserWarning)
        return torch.from_numpy(np.ascontiguousarray(array))
