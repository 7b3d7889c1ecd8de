"""Parts of a report as JSON: :func:`dumps` writes them, :func:`loads` reads them, and both check every value."""

from __future__ import annotations

import functools
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError
from pydantic_core import PydanticSerializationError, from_json

from deploy.errors import DeployError
from deploy.output import REPORT, require_conversion
from deploy.schema.report import SCHEMA_VERSION, Report
from processes.files import write_text

SHOWN = 80  # characters of a key that a message repeats


@functools.cache
def adapter(kind: Any) -> TypeAdapter[Any]:
    """Pydantic's adapter of a part's class, cached: it validates, serialises and describes the class."""
    return TypeAdapter(kind)


def dumps(content: Any, kind: Any = None) -> str:
    """JSON text of a part; fields whose value is their default are left out.

    Args:
        content: the part.
        kind: class or type that the part is checked against; None takes the part's own class.

    Raises:
        ValueError: a value is not of its field's type, such as a number that is not finite, a negative count or an
            array.
    """
    known = adapter(kind or type(content))
    try:
        values = known.dump_python(
            content, mode="json", by_alias=True, exclude_defaults=True, warnings=False, fallback=_plain
        )
        text = json.dumps(values, indent=2, ensure_ascii=False)
        known.validate_json(text)
    except ValidationError as error:
        raise ValueError(_faults(error)) from error
    except (PydanticSerializationError, TypeError) as error:
        raise ValueError(str(error)) from error
    return text + "\n"


def loads(kind: Any, text: str | bytes, where: object) -> Any:
    """Read a part of class ``kind``, or of one of the classes of a union, from JSON text.

    Args:
        kind: class or type to read.
        text: the JSON text.
        where: what messages call the text, usually its file.

    Raises:
        DeployError: the text is no JSON, or not a part of this class; the message names the first key that is wrong.
    """
    try:
        return adapter(kind).validate_json(text)
    except ValidationError as error:
        if error.errors()[0]["type"] == "json_invalid":
            raise DeployError(f"{where}: not readable as JSON; convert again with --force") from error
        raise DeployError(
            f"{where}: damaged, or not written by deploy: {_faults(error)}; convert again with --force"
        ) from error


def read_report(folder: Path) -> Report:
    """Read report.json from the folder of a conversion.

    Raises:
        DeployError: the folder holds no conversion, or its report.json is damaged, foreign, or of a newer version.
    """
    path = require_conversion(folder) / REPORT
    try:
        text = path.read_bytes()
    except OSError as error:
        raise DeployError(f"{path}: cannot be read ({error.strerror}); convert again with --force") from error
    if (version := _version(text)) > SCHEMA_VERSION:
        raise DeployError(
            f"{path}: has schema_version {version:.6g}, this deploy knows {SCHEMA_VERSION}; install a newer spikedeploy"
        )
    return loads(Report, text, path)


def write_report(folder: Path, report: Report) -> None:
    """Write ``report`` as the folder's report.json with the current schema version; a reader never sees half a file.

    Raises:
        ValueError: a value is not of its field's type (:func:`dumps`).
    """
    write_text(folder / REPORT, dumps(replace(report, schema_version=SCHEMA_VERSION)))


def json_schema() -> dict[str, Any]:
    """JSON Schema of report.json, version ``SCHEMA_VERSION``."""
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **adapter(Report).json_schema()}


def _plain(value: Any) -> Any:
    """A numpy scalar as a Python number; raises TypeError for anything else."""
    if getattr(value, "shape", None) == ():
        return value.item()
    raise TypeError(f"a {type(value).__name__} does not stand in JSON")


def _version(text: bytes) -> float:
    """The ``schema_version`` that JSON text states; 0 if the text is no JSON or states no number."""
    try:
        found = from_json(text)
    except ValueError:
        return 0
    version = found.get("schema_version", 0) if isinstance(found, dict) else 0
    return float(min(version, 10**9)) if isinstance(version, (int, float)) else 0


def _faults(error: ValidationError) -> str:
    """In words: the first key that is wrong and why, and how many further keys are wrong."""
    first, *more = error.errors(include_url=False, include_input=False, include_context=False)
    place = " ".join(".".join(map(str, first["loc"])).split())
    place = place if len(place) <= SHOWN else f"{place[:SHOWN]}..."
    further = f" (and {len(more)} more)" if more else ""
    return f"{place or 'the whole'}: {first['msg']}{further}"
