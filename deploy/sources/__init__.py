"""Where models and data come from: specifications as a user types them, turned into checked objects.

Importing this package does not import PyTorch, so that commands without it start at once: a module of the package is
imported when one of its names is first used.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from deploy.sources.data import (
        hold_out,
        load_both,
        load_calibration,
        load_data,
        shared_samples,
        with_length,
    )
    from deploy.sources.model import ImageInput, InputSpec, LoadedModel, TextInput, checked, load_model, with_window
    from deploy.sources.samples import Data
    from deploy.sources.texts import words

__all__ = [
    "Data",
    "ImageInput",
    "InputSpec",
    "LoadedModel",
    "TextInput",
    "checked",
    "hold_out",
    "load_both",
    "load_calibration",
    "load_data",
    "load_model",
    "shared_samples",
    "with_length",
    "with_window",
    "words",
]

_OF_MODELS = ("ImageInput", "InputSpec", "LoadedModel", "TextInput", "checked", "load_model", "with_window")
_HOMES = dict.fromkeys(_OF_MODELS, "model") | {"Data": "samples", "words": "texts"}


def __getattr__(name: str) -> Any:
    if name in __all__:
        return getattr(importlib.import_module(f"deploy.sources.{_HOMES.get(name, 'data')}"), name)
    raise AttributeError(f"module 'deploy.sources' has no attribute {name!r}")
