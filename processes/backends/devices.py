"""Devices by name, and the arithmetic that exact results ask of them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

import torch

from processes.errors import DeployError

CPU = torch.device("cpu")
PARTS: tuple[Any, ...] = (
    torch.backends.cuda.matmul,
    *(getattr(torch.backends.mkldnn, part) for part in ("matmul", "conv")),
)
"""Of PyTorch, which applications may allow to round float32."""
EXACT = ("ieee", "none")
"""Precisions in which all bits are kept."""

_current: ContextVar[torch.device] = ContextVar("device", default=CPU)


def current_device() -> torch.device:
    """Device on which networks are evaluated by default: the CPU, or that of the enclosing :func:`on_device`."""
    return _current.get()


@contextmanager
def on_device(device: torch.device | str) -> Iterator[None]:
    """Within this context networks are evaluated on ``device`` (a device or its name) in full float32 precision.

    Raises:
        DeployError: :func:`device_named` refuses the name.
    """
    token = _current.set(device if isinstance(device, torch.device) else device_named(device))
    try:
        with full_precision():
            yield
    finally:
        _current.reset(token)


def described(device: torch.device) -> str:
    """A device in words, for reports: "cpu", or its index and what it is, "cuda:0 (NVIDIA H100)"."""
    if device.type != "cuda":
        return str(device)
    index = torch.cuda.current_device() if device.index is None else device.index
    return f"cuda:{index} ({torch.cuda.get_device_name(index)})"


def device_named(name: str) -> torch.device:
    """The device named "cpu", "cuda", "cuda:N" or "auto" (a CUDA device if there is one, else the CPU).

    Raises:
        DeployError: the name is unknown, there is no such device here, or it is neither the CPU nor CUDA ("mps"
            lacks the 64-bit floating point that decides ties).
    """
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
    except RuntimeError:
        raise DeployError(f"device '{name}' is not known; use cpu, cuda, cuda:N or auto") from None
    if device.type == "cpu":
        return device
    if device.type != "cuda":
        raise DeployError(f"device '{name}' cannot run the closed form, which needs 64-bit floats; use cpu or cuda")
    count = torch.cuda.device_count()
    if (device.index or 0) >= count:
        raise DeployError(f"device '{name}' is not here: PyTorch sees {count} CUDA devices; use --device cpu")
    return device


@contextmanager
def full_precision() -> Iterator[None]:
    """Within this context float32 products are not rounded to TF32 or bfloat16 on their way, which could change spikes.

    Sums of whole numbers are then exact, in any order of summation, while they stay below 2^24. An application may have
    allowed such rounding on CUDA devices, and to oneDNN on the CPU; afterwards it is allowed again.
    """
    rounded = [(part, part.fp32_precision) for part in PARTS if part.fp32_precision not in EXACT]
    convolutions = torch.backends.cudnn.allow_tf32
    torch.backends.cudnn.allow_tf32 = False
    for part, _ in rounded:
        part.fp32_precision = "ieee"
    try:
        yield
    finally:
        torch.backends.cudnn.allow_tf32 = convolutions
        for part, precision in rounded:
            part.fp32_precision = precision
