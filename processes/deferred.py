"""Arrays that are computed again whenever they are read, and take no memory in between.

Lowering folds the parameters of normalisations into the weights that follow, calibration folds the scales of codes into
them, and a report asks what 8-bit weights alone would do: stored, each is a copy of the model. Compared with the
product of a batch and a matrix, computing the matrix again costs little.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, cast

import numpy as np
from numpy.lib.mixins import NDArrayOperatorsMixin
from numpy.typing import DTypeLike

Make = Callable[[np.dtype[Any]], np.ndarray]
"""Computes an array, rounded to the given type."""


class Deferred(NDArrayOperatorsMixin):
    """An array that ``make`` computes at every use, rounded to ``dtype``.

    numpy functions, arithmetic and comparisons take it like an array; its other methods and attributes are those of an
    array that is computed for the purpose. It has no memory to share: a function that reads an array's memory, such as
    ``torch.from_numpy``, has to be given ``numpy.asarray`` of it.

    Attributes:
        shape: shape of the array.
        dtype: type of its elements.
    """

    def __init__(self, make: Make, shape: tuple[int, ...], dtype: DTypeLike) -> None:
        self._make, self.shape, self.dtype = make, shape, np.dtype(dtype)

    def __array__(self, dtype: DTypeLike | None = None) -> np.ndarray:
        made = self._make(self.dtype)
        return made if dtype is None else made.astype(dtype, copy=False)

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *inputs: Any, **options: Any) -> Any:
        arrays = (np.asarray(x) if isinstance(x, Deferred) else x for x in inputs)
        return getattr(ufunc, method)(*arrays, **options)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):  # ``__array_interface__`` and the like would share memory
            raise AttributeError(f"a deferred array has no {name}")
        return getattr(np.asarray(self), name)

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, index: Any) -> Any:
        return np.asarray(self)[index]

    @property
    def ndim(self) -> int:
        """Number of axes."""
        return len(self.shape)

    @property
    def size(self) -> int:
        """Number of elements."""
        return int(np.prod(self.shape))

    def rounded(self, dtype: DTypeLike) -> np.ndarray:
        """The array with another type, deferred: its numbers are rounded once, from those that ``make`` computes."""
        return cast(np.ndarray, Deferred(self._make, self.shape, dtype))


def multiplied(array: np.ndarray, factors: np.ndarray, dtype: DTypeLike) -> np.ndarray:
    """The deferred product of an array and factors that broadcast to it, computed in float64 and rounded to ``dtype``.

    The array may be deferred itself and must not change afterwards; the factors are copied.
    """
    return cast(np.ndarray, Deferred(partial(_product, array, np.array(factors, np.float64)), array.shape, dtype))


def rounded(array: np.ndarray, dtype: DTypeLike) -> np.ndarray:
    """An array rounded to ``dtype``: without a copy if it has that type, deferred if it is deferred."""
    return array.rounded(dtype) if isinstance(array, Deferred) else array.astype(dtype, copy=False)


def _product(array: np.ndarray, factors: np.ndarray, dtype: np.dtype[Any]) -> np.ndarray:
    """The product in ``dtype``, computed in float64 without a float64 copy of the array."""
    return np.multiply(array, factors, out=np.empty(array.shape, dtype), dtype=np.float64, casting="same_kind")
