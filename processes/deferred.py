"""Arrays that are computed anew whenever they are read, and take no memory in between.

Lowering folds the parameters of normalisations into the weights that follow, calibration folds the scales of codes into them,
and a report asks what 8-bit weights alone would do: written out, each is a copy of the model. Next to the product of a batch
with a matrix, making the matrix again costs little.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, cast

import numpy as np
from numpy.lib.mixins import NDArrayOperatorsMixin
from numpy.typing import DTypeLike

Make = Callable[[np.dtype[Any]], np.ndarray]


class Deferred(NDArrayOperatorsMixin):
    """An array that ``make`` makes at every use, given the type that its numbers are rounded to.

    numpy takes it wherever it takes an array, and so do arithmetic and comparisons; its other methods and attributes are those
    of an array that is made for the purpose. It has no memory to share: what reads an array's memory, as ``torch.from_numpy``
    does, has to be given ``numpy.asarray`` of it.

    Attributes:
        shape: of the array.
        dtype: its type.
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
        if name.startswith("_"):  # those that share memory among them, as ``__array_interface__``
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
        """The same numbers, rounded to another type once, at the end."""
        return cast(np.ndarray, Deferred(self._make, self.shape, dtype))


def multiplied(array: np.ndarray, factors: np.ndarray, dtype: DTypeLike) -> np.ndarray:
    """An array, which may be deferred itself, times factors that broadcast to it, in float64 and then rounded; deferred.

    The array has to stay as it is; factors are copied.
    """
    return cast(np.ndarray, Deferred(partial(_product, array, np.array(factors, np.float64)), array.shape, dtype))


def rounded(array: np.ndarray, dtype: DTypeLike) -> np.ndarray:
    """An array rounded to a type; itself if it is of that type, and deferred if it is."""
    return array.rounded(dtype) if isinstance(array, Deferred) else array.astype(dtype, copy=False)


def _product(array: np.ndarray, factors: np.ndarray, dtype: np.dtype[Any]) -> np.ndarray:
    """The product, without a copy in float64."""
    return np.multiply(array, factors, out=np.empty(array.shape, dtype), dtype=np.float64, casting="same_kind")
