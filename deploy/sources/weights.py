"""Weights files: read without running code from them, and put into a module only if they fit it."""

from __future__ import annotations

import warnings
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import nn

from deploy.errors import DeployError

RANDOM = "random"
"""The value of --weights that asks for seeded random initialisation, to size a network."""

PYTORCH_SUFFIXES = (".pt", ".pth", ".bin", ".ckpt")
# Where training frameworks keep the tensors in a checkpoint, and what they put before each name.
_CONTAINERS = ("state_dict", "model_state_dict", "model")
PREFIXES = ("module.", "_orig_mod.", "model.")
_LISTED = 3


def read_weights(path: Path) -> dict[str, torch.Tensor]:
    """Tensors by name from a safetensors file or a PyTorch file; never unpickles anything but tensors.

    Raises DeployError if the file is missing, unreadable, of another kind, holds Python objects, or if
    a tensor in it holds NaN or infinity.
    """
    if not path.is_file():
        raise DeployError(f"{path}: no such weights file; give a .safetensors, .pt or .pth file, or `{RANDOM}`")
    if path.suffix == ".safetensors":
        try:
            tensors = load_file(path)
        except (SafetensorError, OSError) as error:
            raise DeployError(f"{path}: not a readable safetensors file ({error})") from error
    elif path.suffix in PYTORCH_SUFFIXES:
        tensors = _read_pytorch(path)
    else:
        known = ", ".join((".safetensors", *PYTORCH_SUFFIXES))
        raise DeployError(f"{path}: weights files end in one of {known}, not {path.suffix or 'nothing'!r}")
    for name, tensor in tensors.items():
        if tensor.is_floating_point() and not bool(torch.isfinite(tensor).all()):
            raise DeployError(f"{path}: tensor {name} holds NaN or infinity; the training run that wrote it diverged")
    return tensors


def _read_pytorch(path: Path) -> dict[str, torch.Tensor]:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about pickle protocols; what cannot be read is refused below
            content: Any = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # on bytes that are no weights, torch's reader raises whatever they lead it to
        if not zipfile.is_zipfile(path) and not path.read_bytes()[:1] == b"\x80":
            raise DeployError(f"{path}: not a PyTorch file; give one that torch.save wrote, or safetensors") from error
        raise DeployError(
            f"{path}: holds pickled Python objects besides tensors (or is damaged), and unpickling can run "
            "any code, so it is not read; save torch.save(model.state_dict(), FILE) or safetensors instead"
        ) from error
    for key in _CONTAINERS:
        if isinstance(content, Mapping) and isinstance(content.get(key), Mapping):
            content = content[key]
            break
    if not isinstance(content, Mapping) or not all(isinstance(value, torch.Tensor) for value in content.values()):
        raise DeployError(
            f"{path}: holds no table of tensors by name; save it with torch.save(model.state_dict(), FILE)"
        )
    return dict(content)


def put_weights(module: nn.Module, tensors: Mapping[str, torch.Tensor], path: Path, what: str) -> None:
    """Copies tensors into the module, all of them or none.

    path, what: the file and the model, for the message. Raises DeployError that counts and names the first
    few missing, unexpected and misshaped tensors.
    """
    own = module.state_dict()
    tensors = _without_prefix(tensors, own)
    # Batch norm's counter has no part in evaluation, and old files lack it.
    missing = [name for name in own if name not in tensors and not name.endswith("num_batches_tracked")]
    unexpected = [name for name in tensors if name not in own]
    misshaped = [
        f"{name} {tuple(tensors[name].shape)} for {tuple(own[name].shape)}"
        for name in own
        if name in tensors and tensors[name].shape != own[name].shape
    ]
    kinds = [(missing, "missing"), (unexpected, "unexpected"), (misshaped, "of another shape")]
    faults = [f"{len(names)} {kind} ({_some(names)})" for names, kind in kinds if names]
    if faults:
        raise DeployError(f"{path}: weights do not fit {what}: {'; '.join(faults)}; give this model's own weights")
    module.load_state_dict(tensors, strict=False)


def _without_prefix(tensors: Mapping[str, torch.Tensor], own: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Takes off what a training wrapper put before every name, if no name fits as it is."""
    names = dict(tensors)
    for prefix in PREFIXES:
        if names and own.keys().isdisjoint(names) and all(name.startswith(prefix) for name in names):
            names = {name.removeprefix(prefix): tensor for name, tensor in names.items()}
    return names


def _some(names: list[str]) -> str:
    return ", ".join(names[:_LISTED]) + (", ..." if len(names) > _LISTED else "")
