"""Backends of the closed form: where its array functions run.

``numba`` has compiled loops for the CPU, ``torch`` plain torch for any device with 64-bit floats, ``triton`` plain
torch with some Triton kernels for CUDA devices. Tensors on the CPU go to numba, others to torch, unless :func:`using`
chooses a backend.
"""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import cache
from typing import cast

from torch import Tensor

from processes.backends.interface import Backend
from processes.errors import DeployError

__all__ = ["BACKENDS", "Backend", "backend_named", "backend_of", "using"]

BACKENDS = ("numba", "torch", "triton")
"""Names of backends, each a package in this folder."""

_chosen: ContextVar[Backend | None] = ContextVar("backend", default=None)


@cache
def backend_named(name: str) -> Backend:
    """A backend, loaded when it is first asked for.

    Raises:
        DeployError: there is no backend of this name, or a package that it needs is not installed.
    """
    if name not in BACKENDS:
        raise DeployError(f"backend '{name}' is not known; there are {', '.join(BACKENDS)}")
    try:
        return cast(Backend, importlib.import_module(f"{__name__}.{name}"))
    except ModuleNotFoundError as error:
        raise DeployError(f"backend '{name}' needs {error.name}, which is not installed; use numba or torch") from None


def backend_of(tensor: Tensor) -> Backend:
    """The backend for a tensor: the one that :func:`using` chose, else numba on the CPU and torch on other devices."""
    return _chosen.get() or backend_named("numba" if tensor.device.type == "cpu" else "torch")


@contextmanager
def using(backend: Backend | None) -> Iterator[None]:
    """Within this context one backend takes all tensors, wherever they are; None changes nothing."""
    token = _chosen.set(backend or _chosen.get())
    try:
        yield
    finally:
        _chosen.reset(token)
