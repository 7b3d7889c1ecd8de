"""Options in YAML files: those of a conversion are written into its folder, and ``--config`` reads them again."""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any

import yaml

from deploy.errors import DeployError
from deploy.options.overrides import read_overrides

FILE = "run.yaml"
"""Name of the file with a conversion's options, in its folder."""


def written(record: Mapping[str, Any]) -> str:
    """YAML text of options, as ``--config`` reads it."""
    return "# deploy convert --config run.yaml\n" + yaml.safe_dump(dict(record), sort_keys=False, allow_unicode=True)


def read(path: Path, options: type) -> dict[str, Any]:
    """Read options by name from a YAML file.

    Names may have dashes or underscores, and ``eval`` stands for ``evaluation``. Options without a value are left out.

    Args:
        path: the file.
        options: the dataclass whose fields are the known options.

    Raises:
        DeployError: the file is unreadable or no YAML table, names an unknown option, or gives one several values.
    """
    try:
        found = yaml.safe_load(path.expanduser().read_text(encoding="utf-8"))
    except OSError as error:
        raise DeployError(f"--config {path}: cannot be read ({error.strerror}); check the path") from error
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise DeployError(f"--config {path}: no readable YAML ({str(error).splitlines()[0]})") from error
    if not isinstance(found, dict):
        raise DeployError(f"--config {path}: holds no table of options; write lines such as `timesteps: 16`")
    known = [field.name for field in fields(options)]
    values: dict[str, Any] = {}
    for key, value in found.items():
        name = "evaluation" if key == "eval" else str(key).replace("-", "_")
        if name not in known:
            near = difflib.get_close_matches(name, known, n=1)
            hint = f"did you mean {near[0]}?" if near else f"known are {', '.join(known)}"
            raise DeployError(f"--config {path}: no option `{key}`; {hint}")
        if name == "overrides" and isinstance(value, dict):
            value = read_overrides(value)
        elif isinstance(value, (dict, list)):
            raise DeployError(
                f"--config {path}: `{key}` is a {type(value).__name__}; give one value, as on the command line"
            )
        if value is not None:
            values[name] = value
    return values


def model_arguments(text: str | None) -> dict[str, Any]:
    """Parse --model-args such as ``img_size=64, num_classes=10`` into a dictionary, its values read as YAML.

    Raises:
        DeployError: the text is no list of NAME=VALUE.
    """
    if not text:
        return {}
    refusal = f"--model-args {text!r}: no list of NAME=VALUE; write them as img_size=64,num_classes=10"
    try:
        found = yaml.safe_load("{" + re.sub(r"([A-Za-z_]\w*)\s*=\s*", r"\1: ", text) + "}")
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise DeployError(refusal) from error
    if not isinstance(found, dict) or any(not isinstance(key, str) or value is None for key, value in found.items()):
        raise DeployError(refusal)
    return found


def image_size(text: str | None) -> tuple[int, int, int] | None:
    """Parse --image-size such as ``64`` or ``1x28x28`` into (channels, height, width); a side alone means 3 channels.

    Raises:
        DeployError: the text is neither one nor three positive numbers.
    """
    if text is None:
        return None
    sizes = [int(part) for part in str(text).lower().split("x") if part.isdecimal() and int(part) > 0]
    if len(sizes) != len(str(text).split("x")) or len(sizes) not in (1, 3):
        raise DeployError(f"--image-size {text}: give a side, as 64, or channels, height and width, as 3x64x64")
    return (3, sizes[0], sizes[0]) if len(sizes) == 1 else (sizes[0], sizes[1], sizes[2])
