"""Turns modules and arrays in memory into the checked LoadedModel and Data objects that files are also read into."""

from __future__ import annotations

import copy
import inspect
from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

import numpy as np
import torch
from torch import nn

from deploy.errors import DeployError
from deploy.sources import Data, InputSpec, LoadedModel, checked
from deploy.sources.check import check_data
from deploy.sources.model import check_kind

GIVEN = "module:"
"""Prefix of the name of a model that was given as an object; no folder keeps a copy of such a model."""

Array: TypeAlias = np.ndarray | torch.Tensor
Arguments: TypeAlias = Array | Sequence[Array] | Mapping[str, Array]
"""A model's arguments, each (N, *sample): one array, a sequence in the order of forward, or a mapping by their names."""


def given_model(module: nn.Module, arguments: Arguments | None = None) -> LoadedModel:
    """Copy ``module`` to the CPU in evaluation mode, and record the names of the forward arguments that are given.

    ``arguments``: None for the arguments that forward requires.

    Raises:
        DeployError: ``module`` is no torch.nn.Module, is not in float32, or its forward does not take these arguments.
    """
    if not isinstance(module, nn.Module):
        raise DeployError(f"a {type(module).__name__} is no model; give a torch.nn.Module")
    name = type(module).__name__
    check_kind(module, f"{GIVEN}{name}")
    names = _names(module, arguments, f"{GIVEN}{name}")
    own = copy.deepcopy(module)
    loaded = checked(LoadedModel(name, f"{GIVEN}{name}", own, {each: InputSpec() for each in names}))
    own.cpu()
    return loaded


def given_data(arguments: Arguments, labels: Any, model: LoadedModel, role: str) -> Data:
    """Check samples for ``model`` and return them as float32 or int64 arrays.

    ``labels``: (N,) whole numbers, or None. ``role``: "calibration" or "evaluation", for error messages.

    Raises:
        DeployError: the arguments are not those of the model, or have shapes or values that it cannot take.
    """
    names = _names(model.module, arguments, model.spec) if model.spec.startswith(GIVEN) else list(model.inputs)
    if names != list(model.inputs):
        raise DeployError(
            f"{model.spec}: takes {', '.join(model.inputs)}, not {', '.join(names)}; give the same arguments"
        )
    if isinstance(arguments, Mapping):
        arrays = [arguments[name] for name in names if name in arguments]
    else:
        arrays = [arguments] if isinstance(arguments, (np.ndarray, torch.Tensor)) else list(arguments)
    if len(arrays) != len(names):
        raise DeployError(f"{model.spec}: takes {', '.join(names)}; {len(arrays)} of them are given")
    inputs = {name: as_array(array, name) for name, array in zip(names, arrays, strict=True)}
    known = None if labels is None else as_array(labels, "labels")
    return check_data(Data(inputs, known, model.class_names, f"{role} arrays"), model, role)


def as_array(value: Any, name: str) -> np.ndarray:
    """Convert an array-like or a tensor of any device to a NumPy array of numbers; ``name`` is for error messages.

    Raises:
        DeployError: ``value`` is ragged, a scalar, or holds objects; or is a sparse, quantised or meta tensor.
    """
    if isinstance(value, torch.Tensor):
        value = _dense(value, name)
    try:
        found = np.asarray(value)
    except ValueError as error:
        raise DeployError(f"`{name}` is no array: {error}; give one of shape (samples, ...)") from error
    if found.dtype == object or found.ndim == 0:
        raise DeployError(f"`{name}` is no array of numbers; give one of shape (samples, ...)")
    return found


def _dense(value: torch.Tensor, name: str) -> np.ndarray:
    """Copy a tensor of any device to a NumPy array; bfloat16, which NumPy lacks, becomes float32.

    Raises:
        DeployError: the tensor has no values (device meta), or is sparse or quantised.
    """
    if value.is_meta:
        raise DeployError(f"`{name}` is on the device meta, which holds no values; give a tensor of the CPU")
    if value.layout != torch.strided or value.is_quantized:
        raise DeployError(f"`{name}` is sparse or quantised; give .to_dense() or .dequantize() of it")
    value = value.detach().cpu().resolve_conj().resolve_neg()
    return (value.float() if value.dtype == torch.bfloat16 else value).numpy()


def _names(module: nn.Module, arguments: Arguments | None, what: str) -> list[str]:
    """Names of the forward arguments that are given, in the order of the signature.

    Raises:
        DeployError: forward has no such arguments, or the given ones are not its first ones.
    """
    kinds = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    parameters = [p for p in inspect.signature(module.forward).parameters.values() if p.kind in kinds]
    known = [parameter.name for parameter in parameters]
    required = sum(parameter.default is parameter.empty for parameter in parameters)
    if arguments is None:
        count = required
    elif isinstance(arguments, Mapping):
        count = len(arguments)
        if set(known[:count]) != set(arguments):
            raise DeployError(
                f"{what}: forward takes {', '.join(known) or 'nothing'}; {', '.join(map(str, arguments)) or 'nothing'} is "
                "given; give its first arguments by these names"
            )
    else:
        count = 1 if isinstance(arguments, (np.ndarray, torch.Tensor)) else len(arguments)
    if not 0 < required <= count <= len(known):
        raise DeployError(f"{what}: forward takes {', '.join(known) or 'nothing'}; {count} arguments are given")
    return known[:count]
