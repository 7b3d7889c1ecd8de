"""Where models and data come from: specifications as a user types them, turned into checked objects."""

from deploy.sources.data import Data, hold_out, load_both, load_calibration, load_data, shared_samples, with_length
from deploy.sources.model import ImageInput, InputSpec, LoadedModel, TextInput, checked, load_model
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
    "words",
]
