"""Devices that networks can be evaluated on, looked up without PyTorch, whose import takes seconds."""

from __future__ import annotations

import ctypes
import os
import sys
from functools import cache

from deploy.errors import DeployError

DEVICE = (
    "Where networks are evaluated: cpu, cuda, cuda:N, or auto for a CUDA device if there is one; mps is refused, as floats of "
    "64 bits decide ties."
)


@cache
def cuda_devices() -> int:
    """Number of CUDA devices that the driver shows to this process; 0 without a driver."""
    try:
        driver = ctypes.CDLL("nvcuda.dll" if sys.platform == "win32" else "libcuda.so.1")
    except OSError:
        return 0
    count = ctypes.c_int(0)
    return count.value if driver.cuInit(0) == 0 and driver.cuDeviceGetCount(ctypes.byref(count)) == 0 else 0


def check_device(name: str) -> None:
    """Raise DeployError for a device that is unknown, has no 64-bit floats (mps), or does not exist on this machine."""
    kind, colon, index = str(name).partition(":")
    if kind == "mps":
        raise DeployError(f"--device {name}: has no 64-bit floats, which decide ties between spikes; use cpu or cuda")
    if name not in ("cpu", "auto", "cuda") and not (kind == "cuda" and colon and index.isdecimal()):
        raise DeployError(f"--device {name}: unknown; use cpu, cuda, cuda:N or auto")
    if kind == "cuda" and int(index or 0) >= cuda_devices():
        raise DeployError(f"--device {name}: not here, {cuda_devices()} CUDA devices answer; use --device cpu")


def check_closed_form(device: str, target: str | None) -> None:
    """Raise DeployError for a CUDA device with a target other than the closed form, which alone runs on one."""
    if device not in ("cpu", "auto") and target != "closed-form":
        raise DeployError(f"--device {device}: only the closed form runs there; add --target closed-form")


def usual_workers(device: str) -> int:
    """Default number of worker processes: one per core, or one for a CUDA device, whose memory workers would share."""
    there = device.startswith("cuda") or (device == "auto" and cuda_devices() > 0)
    return 1 if there else os.cpu_count() or 1
