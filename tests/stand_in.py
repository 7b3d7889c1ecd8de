"""A device of its own without the hardware: tensors that say they are elsewhere, computed on the CPU.

PyTorch leaves the device type "privateuseone" to others. Here it has tensors that hold one on the CPU, which every operation
is handed on to; what a real device refuses is refused: numpy's view of a tensor, and operations on tensors of two devices.
"""

from __future__ import annotations

import os
from functools import cache, partial
from typing import Any

import pytest
import torch
from torch.utils._pytree import tree_leaves, tree_map
from torch.utils.backend_registration import _setup_privateuseone_for_python_backend

NAME = "elsewhere"
ALONE = "DEPLOY_STAND_IN"
"""Environment variable of a process that holds nothing but tests on this device."""
CPU = torch.device("cpu")
LIBRARY = torch.library.Library("aten", "IMPL")
MAKING = (
    torch.ops.aten.empty.memory_format, torch.ops.aten.empty_strided.default, torch.ops.aten.arange.default,
    torch.ops.aten.arange.start, torch.ops.aten.arange.start_step,
)  # fmt: skip
"""What makes tensors of nothing; all else that does fills empty ones."""
CROSSING = {torch.ops.aten._to_copy.default, torch.ops.aten.copy_.default}
"""What may meet tensors of both devices."""


class Elsewhere(torch.Tensor):
    """A tensor on the stand-in device; ``held`` is what it stands for, on the CPU."""

    held: torch.Tensor

    @staticmethod
    def __new__(cls, held: torch.Tensor) -> Elsewhere:
        """Of the shape and type of ``held``."""
        made = torch.Tensor._make_wrapper_subclass(
            cls, held.shape, strides=held.stride(), storage_offset=held.storage_offset(), dtype=held.dtype,
            device=torch.device(NAME, 0), requires_grad=False,
        )  # fmt: skip
        made.held = held
        return made

    @classmethod
    def __torch_dispatch__(cls, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Any operation on such a tensor."""
        return handed_on(func, args, kwargs or {})


def handed_on(func: Any, args: Any, kwargs: dict[str, Any]) -> Any:
    """An operation on what tensors hold; its results are where its operands are, or where it says."""
    seen: list[torch.Tensor] = []

    def inner(value: Any) -> Any:
        if isinstance(value, torch.Tensor):
            seen.append(value)
        if not isinstance(value, Elsewhere):
            return value
        assert value.shape == value.held.shape, f"{func}: a tensor was resized, which the stand-in cannot"
        return value.held

    there = any(isinstance(x, Elsewhere) for x in tree_leaves((args, kwargs)))
    arguments, named = tree_map(inner, (args, kwargs))
    if (given := kwargs.get("device")) is not None:
        there = torch.device(given).type == NAME
        named["device"] = CPU if there else given
    here = [x for x in seen if not isinstance(x, Elsewhere) and x.dim()]
    if func not in CROSSING and any(isinstance(x, Elsewhere) for x in seen) and here:
        raise RuntimeError(f"{func}: expected all tensors on one device, found cpu and {NAME}")
    found = func(*arguments, **named)
    written = {id(x.held): x for x in seen if isinstance(x, Elsewhere)}  # what an operation in place gives back

    def outer(value: Any) -> Any:
        if not there or not isinstance(value, torch.Tensor):
            return value
        return written[id(value)] if id(value) in written else Elsewhere(value)

    return tree_map(outer, found)


@cache
def stand_in() -> torch.device:
    """The device "elsewhere", which is there for the rest of the process: in one of its own (``tests/test_stand_in.py``)."""
    if ALONE not in os.environ:
        pytest.skip("tests/test_stand_in.py runs it in a process of its own")
    _setup_privateuseone_for_python_backend(NAME)
    for make in MAKING:
        LIBRARY.impl(make, partial(_made, make), "PrivateUse1")
    return torch.device(NAME, 0)


def _made(make: Any, *args: Any, **kwargs: Any) -> Elsewhere:
    return Elsewhere(make(*args, **{**kwargs, "device": CPU, "pin_memory": None}))
