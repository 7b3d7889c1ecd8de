"""report.json and report.html on disk."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from deploy.errors import DeployError
from deploy.output import PAGE, REPORT
from deploy.report.page import Figures, render

REQUIRED = (
    "model", "method", "precision", "timesteps", "base", "target", "samples", "latency_steps", "seconds",
    "spikes", "saturations", "layers", "not_spiking", "versions",
)  # fmt: skip


def write_report(folder: Path, report: Mapping[str, Any], figures: Figures) -> dict[str, Any]:
    """Writes both files into ``folder`` and returns what report.json holds.

    Raises:
        ValueError: a key that every report has is missing, or a value cannot stand in report.json.
    """
    if missing := [key for key in REQUIRED if report.get(key) is None]:
        raise ValueError(f"the report has no {', '.join(missing)}")
    content = plain(report)
    page = render(content, figures)
    text = json.dumps(content, indent=2, ensure_ascii=False, allow_nan=False)
    (folder / REPORT).write_text(text + "\n", encoding="utf-8")
    (folder / PAGE).write_text(page, encoding="utf-8")
    return content


def add_to_report(folder: Path, key: str, value: Mapping[str, Any]) -> None:
    """Merges ``value`` into the mapping that a folder's report.json has under ``key``; what else it holds stays.

    Raises:
        DeployError: report.json cannot be read.
    """
    path = folder / REPORT
    try:
        report = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise DeployError(f"{path}: not readable as JSON; convert again with --force") from error
    report[key] = report.get(key, {}) | plain(value, key)
    unfinished = path.with_suffix(".partial")
    unfinished.write_text(json.dumps(report, indent=2, ensure_ascii=False, allow_nan=False) + "\n", encoding="utf-8")
    unfinished.replace(path)  # so that a reader never sees half a file


def plain(value: Any, where: str = "report") -> Any:
    """``value`` as JSON types; keys whose value is None or an empty mapping are left out, at any depth.

    Raises:
        ValueError: a number that is not finite, an array, or None in a list; the message names its place.
    """
    if isinstance(value, Mapping):
        items = {str(key): plain(item, f"{where}.{key}") for key, item in value.items() if item is not None}
        return {key: item for key, item in items.items() if item != {}}
    if isinstance(value, (list, tuple)):
        return [plain(item, f"{where}[{index}]") for index, item in enumerate(value)]
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, Path):
        return str(value)
    if isinstance(value, float) and not math.isfinite(value):
        raise ValueError(f"{where} is {value}; leave out what is not known")
    if not isinstance(value, (str, bool, int, float)):
        raise ValueError(f"{where} is a {type(value).__name__}, which report.json does not hold")
    return value
