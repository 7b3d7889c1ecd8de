"""Backends of the closed form: where its array functions run.

``numba`` has compiled loops for the CPU, ``torch`` plain torch for any device. Tensors on the CPU go to the first, others to
the second; ``using`` takes one for all tensors.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

import torch

from processes.backends import numba as numba_backend
from processes.backends import torch as torch_backend
from processes.backends.interface import Backend

__all__ = ["BACKENDS", "Backend", "backend_of", "using"]

BACKENDS: dict[str, Backend] = {"numba": numba_backend, "torch": torch_backend}
"""By name."""

_chosen: ContextVar[Backend | None] = ContextVar("backend", default=None)


def backend_of(tensor: torch.Tensor) -> Backend:
    """The backend that takes a tensor: the one in use, else compiled loops on the CPU and torch on other devices."""
    return _chosen.get() or BACKENDS["numba" if tensor.device.type == "cpu" else "torch"]


@contextmanager
def using(backend: Backend | None) -> Iterator[None]:
    """Within this context one backend takes all tensors, wherever they are; None changes nothing."""
    token = _chosen.set(backend or _chosen.get())
    try:
        yield
    finally:
        _chosen.reset(token)
