"""Weights files, read without running code from them, and loaded into a module only if all tensors fit."""

from __future__ import annotations

import warnings
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file
from torch import nn

from deploy.errors import DeployError
from deploy.sources.named import KEY, check_weights, unreadable

PREFIXES = ("module.", "_orig_mod.", "model.", "net.", "network.")
_LISTED = 3

Tensors = dict[str, torch.Tensor]


def read_weights(path: Path) -> Tensors:
    """Read tensors by name from a safetensors file or a PyTorch checkpoint, which may hold other objects as well.

    Only tensors and plain values are unpickled; other objects become inert placeholders.

    Args:
        path: the file, with ::KEY behind it to choose one of several tables of tensors in a checkpoint.

    Raises:
        DeployError: the file is missing, unreadable or of another kind, holds no table of tensors or several that
            differ, or a tensor holds NaN or infinity.
    """
    name, _, key = str(path).partition(KEY)
    file = Path(name)
    check_weights(path)
    if file.suffix == ".safetensors":
        try:
            tensors = load_file(file)
        except Exception as error:  # the reader raises many types of exception on a damaged header
            raise unreadable(file, error) from error
    else:
        tensors = _table(_read_pytorch(file), key, file)
    for name, tensor in tensors.items():
        if tensor.is_floating_point() and not bool(torch.isfinite(tensor).all()):
            raise DeployError(f"{file}: tensor {name} holds NaN or infinity; the training run that wrote it diverged")
    return tensors


class _Placeholder:
    """Inert stand-in for an object of a foreign class in a checkpoint; it ignores its arguments and its state."""

    def __init__(self, *arguments: Any, **named: Any) -> None:
        del arguments, named

    def __setstate__(self, state: Any) -> None:
        del state


def _read_pytorch(path: Path) -> Any:
    """Read a PyTorch file with ``weights_only``, so that no class or function that the file names is looked up.

    Raises:
        DeployError: the file is no PyTorch file, holds pickled objects beside tensors in the old format, or is damaged.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about pickle protocols; what cannot be read is refused below
            foreign = torch.serialization.get_unsafe_globals_in_checkpoint(path) if zipfile.is_zipfile(path) else []
            inert: Any = [(_Placeholder, name) for name in foreign]
            with torch.serialization.safe_globals(inert):
                return torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # torch's reader raises many types of exception on other bytes
        if not zipfile.is_zipfile(path) and not path.read_bytes()[:1] == b"\x80":
            raise DeployError(f"{path}: not a PyTorch file; give one that torch.save wrote, or safetensors") from error
        raise _pickled(path) from error


def _pickled(path: Path) -> DeployError:
    return DeployError(
        f"{path}: holds pickled Python objects besides tensors (or is damaged), and unpickling can run "
        "any code, so it is not read; save torch.save(model.state_dict(), FILE) or safetensors instead"
    )


def _table(content: Any, key: str, path: Path) -> Tensors:
    """The table of tensors of a checkpoint: its content itself, or the value of one of its keys.

    Raises:
        DeployError: there is no table, there are several that differ, or none is called ``key``.
    """
    tables = _tables(content)
    if key:
        if key not in tables:
            raise DeployError(f"{path}: holds no weights `{key}`; it holds {', '.join(filter(None, tables)) or 'none'}")
        return tables[key]
    if not tables:
        if _holds_placeholder(content):
            raise _pickled(path)
        raise DeployError(
            f"{path}: holds no table of tensors by name; save it with torch.save(model.state_dict(), FILE)"
        )
    first, *others = tables.values()
    if any(not _same(first, other) for other in others):
        names = ", ".join(tables)
        example = f"{path}{KEY}{next(iter(tables))}"
        raise DeployError(f"{path}: holds several sets of weights, {names}; say which is meant, as --weights {example}")
    return first


def _tables(content: Any) -> dict[str, Tensors]:
    """Tables of tensors by their key in a checkpoint, or one level deeper by "KEY.KEY"; "" for the content itself."""
    if not isinstance(content, Mapping):
        return {}
    own = {name: value for name, value in content.items() if isinstance(value, torch.Tensor) and isinstance(name, str)}
    rest = [value for value in content.values() if not isinstance(value, torch.Tensor)]
    if own and all(value is None or isinstance(value, (str, int, float)) for value in rest):
        return {"": own}
    found = {str(name): inner[""] for name, value in content.items() if "" in (inner := _tables_flat(value))}
    if found:
        return found
    return {f"{name}.{k}": t for name, value in content.items() for k, t in _tables_one_deeper(value).items()}


def _tables_flat(value: Any) -> dict[str, Tensors]:
    """{"": value} if ``value`` maps names to tensors only, at least one of which is no scalar; else empty."""
    if not isinstance(value, Mapping):
        return {}
    own = {name: each for name, each in value.items() if isinstance(each, torch.Tensor) and isinstance(name, str)}
    return {"": own} if any(tensor.ndim for tensor in own.values()) and len(own) == len(value) else {}


def _tables_one_deeper(value: Any) -> dict[str, Tensors]:
    if not isinstance(value, Mapping):
        return {}
    return {str(name): inner[""] for name, each in value.items() if "" in (inner := _tables_flat(each))}


def _holds_placeholder(content: Any) -> bool:
    values = content.values() if isinstance(content, Mapping) else [content]
    return any(isinstance(value, _Placeholder) for value in values)


def _same(first: Tensors, other: Tensors) -> bool:
    return first.keys() == other.keys() and all(torch.equal(first[name], other[name]) for name in first)


def put_weights(module: nn.Module, tensors: Mapping[str, torch.Tensor], path: Path, what: str) -> None:
    """Copy tensors into the module, all of them or none.

    Args:
        module: the model.
        tensors: by name; a common prefix that training frameworks add is removed.
        path: the file, for messages.
        what: the model, for messages.

    Raises:
        DeployError: tensors are missing, unexpected or of another shape; the message counts and names the first few. Or
            the file holds the model's tensors several times, and they differ.
    """
    own = module.state_dict()
    tensors = _without_prefix(tensors, own, path)
    # Batch norm's counter is not used in evaluation, and old files lack it.
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


def _without_prefix(tensors: Mapping[str, torch.Tensor], own: Mapping[str, torch.Tensor], path: Path) -> Tensors:
    """Select the tensors under the prefix that completes all of the model's names, and remove the prefix.

    Tensors outside the prefix are dropped. If no prefix completes all names, known prefixes that stand before every
    name are removed, so that the error message of the caller names the real differences.

    Raises:
        DeployError: several prefixes fit, and their tensors differ.
    """
    needed = [name for name in own if not name.endswith("num_batches_tracked")]
    if all(name in tensors for name in needed):
        under = {"": dict(tensors)}
    else:
        starts = (
            {name[: -len(needed[0])] for name in tensors if name.endswith(f".{needed[0]}")} if needed else set[str]()
        )
        fitting = sorted(start for start in starts if all(start + name in tensors for name in needed))
        under = {s: {n.removeprefix(s): t for n, t in tensors.items() if n.startswith(s)} for s in fitting}
    if under:
        first, *others = under.values()
        if any(not _same(first, other) for other in others):
            raise DeployError(
                f"{path}: holds the model's tensors several times, under {', '.join(under)}; save the ones that are meant in a "
                "file of their own"
            )
        return first
    names = dict(tensors)
    for prefix in PREFIXES:
        if names and own.keys().isdisjoint(names) and all(name.startswith(prefix) for name in names):
            names = {name.removeprefix(prefix): tensor for name, tensor in names.items()}
    return names


def _some(names: list[str]) -> str:
    return ", ".join(names[:_LISTED]) + (", ..." if len(names) > _LISTED else "")
