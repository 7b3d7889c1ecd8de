"""The `deploy convert` command line that is equivalent to given options."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path

import yaml

from deploy.options.convert import ConvertOptions

NAMES = {"evaluation": "eval"}  # options whose names differ from their fields'


def command(options: ConvertOptions) -> str:
    """The command line `deploy convert ...`, quoted for a shell, with all options in force that are not the default."""
    asked, usual = options.in_force(), ConvertOptions(method=options.method).in_force()
    words = ["deploy", "convert"]
    for one in fields(ConvertOptions):
        value = getattr(asked, one.name)
        if value is None or value == getattr(usual, one.name):
            continue
        words.append(f"--{NAMES.get(one.name, one.name).replace('_', '-')}")
        if isinstance(value, Mapping):
            value = yaml.safe_dump({k: dict(v) for k, v in value.items()}, default_flow_style=True, width=10**6).strip()
        if value is not True:
            words.append(
                str(value) if isinstance(value, Path) else f"{value:g}" if isinstance(value, float) else str(value)
            )
    return shlex.join(words)
