"""Arrays of operations as tensors: small ones are copied once for as long as they live."""

from __future__ import annotations

import numpy as np
import torch

from processes.backends import constants
from processes.backends.constants import SMALL, constant
from processes.backends.devices import CPU


def test_small_arrays_are_copied_once_while_they_live() -> None:
    kept, array = len(constants._copies), np.arange(5)
    first = constant(array, CPU, torch.float32)
    assert first.tolist() == [0, 1, 2, 3, 4] and constant(array, CPU, torch.float32) is first
    assert constant(array, CPU, torch.float64).dtype == torch.float64, "each type has its own"
    assert constant(array, CPU, torch.float32, np.negative).tolist() == [0, -1, -2, -3, -4]
    assert constant(array.copy(), CPU, torch.float32) is not first, "equal arrays may change one by one"
    assert len(constants._copies) == kept + 1
    del array
    assert len(constants._copies) == kept


def test_large_arrays_are_not_held_twice() -> None:
    array = np.zeros(SMALL + 1)
    assert constant(array, CPU) is not constant(array, CPU)


def test_copies_of_an_inference_serve_gradients() -> None:
    array, x = np.full(3, 2.0), torch.ones(3, dtype=torch.float64, requires_grad=True)
    with torch.inference_mode():
        constant(array, CPU)
    (x * constant(array, CPU)).sum().backward()
    assert x.grad is not None and x.grad.tolist() == [2, 2, 2]
