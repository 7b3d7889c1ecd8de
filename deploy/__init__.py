"""Deploys trained transformers on neuromorphic hardware.

    import deploy
    report = deploy.convert(deploy.ConvertOptions(model="timm:vit_tiny_patch16_224", calib=Path("images")))

Importing this loads neither PyTorch nor Lava; the first use of a name below loads what it needs.
"""

from __future__ import annotations

import importlib
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING, Any

from deploy.errors import DeployError
from deploy.options import ConvertOptions

if TYPE_CHECKING:
    from deploy.api import convert, load, run, verify
    from targets.nir_modules import nir_modules

try:
    __version__ = version("spikedeploy")
except PackageNotFoundError:  # used from a source tree that is not installed
    __version__ = "0+unknown"

__all__ = ["ConvertOptions", "DeployError", "convert", "load", "nir_modules", "run", "verify"]


def __getattr__(name: str) -> Any:
    if name == "nir_modules":
        return importlib.import_module("targets.nir_modules").nir_modules
    if name in __all__:
        return getattr(importlib.import_module("deploy.api"), name)
    raise AttributeError(f"module 'deploy' has no attribute {name!r}")
