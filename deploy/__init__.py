"""Deploys trained transformers on neuromorphic hardware.

    import deploy
    conversion = deploy.convert(module, calibration)
    outputs = conversion.run(x)
    conversion.save("out/net")

Importing this package loads neither PyTorch nor Lava: the first use of a public name imports its module.
"""

from __future__ import annotations

import importlib
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING, Any

from deploy.errors import DeployError
from deploy.options import ConvertOptions

if TYPE_CHECKING:
    from deploy.api import convert, convert_files, load
    from deploy.conversion import Conversion
    from deploy.schema import Report
    from deploy.trained.network import TrainedNetwork
    from targets.nir_modules import nir_modules

try:
    __version__ = version("spikedeploy")
except PackageNotFoundError:  # used from a source tree that is not installed
    __version__ = "0+unknown"

__all__ = [
    "Conversion", "ConvertOptions", "DeployError", "Report", "TrainedNetwork", "convert", "convert_files", "load",
    "nir_modules",
]  # fmt: skip

_HOMES = {
    "Conversion": "deploy.conversion", "Report": "deploy.schema", "convert": "deploy.api", "convert_files": "deploy.api",
    "load": "deploy.api", "TrainedNetwork": "deploy.trained.network", "nir_modules": "targets.nir_modules",
}  # fmt: skip


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(importlib.import_module(_HOMES[name]), name)
    raise AttributeError(f"module 'deploy' has no attribute {name!r}")
