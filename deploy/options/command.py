"""The command line that asks for given options."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path

import yaml

from deploy.options.convert import ConvertOptions

NAMES = {"evaluation": "eval"}  # of fields whose options are called otherwise


def command(options: ConvertOptions) -> str:
    """`deploy convert ...` with what differs from the usual, quoted for a shell; values in force decide, not those given."""
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
