"""The output of a command: tables for people, or with `--json` one JSON value on standard output."""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Mapping
from contextvars import ContextVar
from pathlib import PurePath
from typing import Any

_AS_JSON = ContextVar("as_json", default=False)


def ask_json(asked: bool) -> None:
    """Set whether `--json` was given, for the rest of the command."""
    _AS_JSON.set(asked)


def asked_json() -> bool:
    """Whether `--json` was given."""
    return _AS_JSON.get()


def answered(content: Any) -> bool:
    """Print ``content`` as JSON if `--json` was given; return whether it was: nothing else may be printed then.

    Text is taken as finished JSON. Dataclasses, mappings, sequences, paths, and numpy arrays and numbers are converted;
    numbers that are not finite become null.

    Raises:
        TypeError: a value has no form in JSON.
    """
    if _AS_JSON.get():
        print(content if isinstance(content, str) else json.dumps(_plain(content), indent=1, ensure_ascii=False))
    return _AS_JSON.get()


def _plain(value: Any) -> Any:
    if value is None or isinstance(value, str | bool | int):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, PurePath):
        return str(value)
    if dataclasses.is_dataclass(value):
        return {field.name: _plain(getattr(value, field.name)) for field in dataclasses.fields(value)}
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, tuple) and hasattr(value, "_asdict"):
        return _plain(value._asdict())  # type: ignore[attr-defined]  # a named tuple
    if isinstance(value, list | tuple | set | frozenset):
        return [_plain(item) for item in value]
    if hasattr(value, "tolist"):  # numpy arrays and scalars, recognised without importing numpy
        return _plain(value.tolist())
    raise TypeError(f"{type(value).__name__} has no form in JSON")
