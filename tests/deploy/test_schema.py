"""Files of a report: what is written is what is read, from every version; damaged and foreign ones are one clear error."""

from __future__ import annotations

import copy
import json
import random
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from rich.console import Console

from deploy.compare import comparison
from deploy.console import summary
from deploy.energy.tables import energy_tables
from deploy.errors import DeployError
from deploy.output import GRAPH, REPORT
from deploy.schema import SCHEMA_VERSION, Layer, Report, dumps, json_schema, loads, read_report, write_report
from tests.deploy.reports import conversion, report

ROOT = Path(__file__).parents[2]
BEFORE = sorted((ROOT / "tests" / "golden" / "reports").glob("*.json"))
"""Reports that were written before there was a version."""


def folder_of(folder: Path, content: bytes) -> Path:
    """A conversion's folder with this report.json."""
    (folder / GRAPH).write_bytes(b"")
    (folder / REPORT).write_bytes(content)
    return folder


def keys(content: Any, place: str = "") -> Iterator[tuple[str, Any]]:
    """(place, value) of every plain value."""
    if isinstance(content, dict):
        for key, value in content.items():
            yield from keys(value, f"{place}.{key}")
    elif isinstance(content, list):
        for number, value in enumerate(content):
            yield from keys(value, f"{place}[{number}]")
    else:
        yield place, content


@pytest.mark.parametrize("path", BEFORE, ids=lambda path: path.stem)
def test_a_report_from_before_versions_keeps_every_value(path: Path, tmp_path: Path) -> None:
    held = json.loads(path.read_text(encoding="utf-8"))
    assert "schema_version" not in held
    read = read_report(folder_of(tmp_path, path.read_bytes()))
    assert read.schema_version == 0
    write_report(tmp_path, read)
    again = read_report(tmp_path)
    assert again == replace(read, schema_version=SCHEMA_VERSION)
    assert dict(keys(json.loads((tmp_path / REPORT).read_text(encoding="utf-8")))) == {
        **dict(keys(held)), ".schema_version": SCHEMA_VERSION, ".options.device": "cpu",
    }  # fmt: skip
    assert {path.name for path in tmp_path.iterdir()} == {GRAPH, REPORT}


def test_the_schema_in_the_documentation_is_that_of_the_types() -> None:
    """After a change of the types: ``deploy report --schema > docs/report.schema.json``."""
    shipped = json.loads((ROOT / "docs" / "report.schema.json").read_text(encoding="utf-8"))
    assert shipped == json.loads(json.dumps(json_schema()))
    assert {"model", "layers", "not_spiking"} <= set(shipped["required"]) and "schema_version" in shipped["properties"]


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "not readable as JSON"),
        (b"{", "not readable as JSON"),
        (b"\xff\xfe", "not readable as JSON"),
        (b"[" * 100_000, "not readable as JSON"),
        (b'{"samples": 1' + b"0" * 5000 + b"}", "not readable as JSON"),
        (b"null", "the whole: "),
        (b"[]", "the whole: "),
        (b"{}", r"model: .*\(and \d+ more\)"),
    ],
    ids=["empty", "cut off", "not UTF-8", "nested", "huge", "null", "list", "foreign"],
)
def test_what_is_no_report(content: bytes, words: str, tmp_path: Path) -> None:
    with pytest.raises(DeployError, match=words) as caught:
        read_report(folder_of(tmp_path, content))
    assert "\n" not in str(caught.value) and str(tmp_path / REPORT) in str(caught.value)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"samples": "7"}, "samples: Input should be a valid integer"),
        ({"samples": 7.0}, "samples: Input should be a valid integer"),
        ({"samples": True}, "samples: Input should be a valid integer"),
        ({"samples": -1}, "samples: Input should be greater than or equal to 0"),
        ({"samples": 10**40}, "samples: Input should be less than"),
        ({"base": 10**400}, "base: Input should be"),
        ({"agreement": 1.5}, "agreement: Input should be less than or equal to 1"),
        ({"layers": [{"name": "x"}]}, r"layers\.0\.op: "),
        ({"targets": {"chip": {"watts": float("inf")}}}, "targets.chip.watts"),
        ({"nonsense": 1}, "nonsense: Unexpected keyword argument"),
        ({"schema_version": SCHEMA_VERSION + 1}, "install a newer spikedeploy"),
        ({"schema_version": 10**400}, "install a newer spikedeploy"),
    ],
)
def test_what_is_wrong_in_a_report_is_named(change: dict[str, Any], words: str, tmp_path: Path) -> None:
    held = json.loads((conversion(tmp_path) / REPORT).read_text(encoding="utf-8"))
    with pytest.raises(DeployError, match=words) as caught:
        read_report(folder_of(tmp_path, json.dumps(held | change).encode()))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"base": float("nan")}, "base: Input should be a finite number"),
        ({"versions": {"numpy": np.float64("inf")}}, "versions.numpy"),
        ({"layers": (Layer(name="x", op="y", shape=(1,), start=0, stop=1, error=float("inf")),)}, "layers.0.error"),
        ({"latency_steps": -1}, "latency_steps"),
        ({"targets": {"chip": {"watts": np.zeros(3)}}}, "ndarray"),
        ({"model": None}, "model"),
    ],
)
def test_values_that_cannot_stand_in_the_file(change: dict[str, Any], words: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=words):
        write_report(tmp_path, report(**change))
    assert list(tmp_path.iterdir()) == []


def test_numbers_of_numpy_are_numbers() -> None:
    found = loads(Report, dumps(report(samples=np.int64(3), base=np.float32(1.5), versions={})), "here")
    assert (found.samples, found.base) == (3, 1.5) and type(found.samples) is int and type(found.base) is float


def places(content: Any) -> Iterator[tuple[Any, Any]]:
    """(container, key) of everything in JSON."""
    pairs = content.items() if isinstance(content, dict) else enumerate(content) if isinstance(content, list) else ()
    for key, value in list(pairs):
        yield content, key
        yield from places(value)


FOREIGN = (
    None,
    True,
    -1,
    0,
    1.5,
    10**30,
    10**400,
    1e300,
    float("nan"),
    float("-inf"),
    "",
    "x\ny",
    [],
    {},
    [[]],
    {"a": 1},
)
Damage = Callable[[dict[str, Any], random.Random], bytes]


def changed(held: dict[str, Any], rng: random.Random) -> bytes:
    """Some values replaced, keys removed, renamed or moved."""
    content = copy.deepcopy(held)
    for _ in range(rng.randint(1, 3)):
        container, key = rng.choice(list(places(content)))
        match rng.randrange(4):
            case 0:
                del container[key]
            case 1 if isinstance(container, dict):
                container[rng.choice(["x", "model", "a\nb", ""])] = container.pop(key)
            case _:
                container[key] = copy.deepcopy(rng.choice(FOREIGN))
        if not content:
            break
    return json.dumps(content).encode()


def torn(held: dict[str, Any], rng: random.Random) -> bytes:
    """Bytes cut off, overwritten or repeated."""
    content = bytearray(json.dumps(held).encode())
    start = rng.randrange(len(content))
    match rng.randrange(3):
        case 0:
            del content[start:]
        case 1:
            content[start : start + rng.randrange(20)] = rng.randbytes(rng.randrange(20))
        case _:
            content[start:start] = content[rng.randrange(len(content)) :][:200]
    return bytes(content)


@pytest.mark.parametrize("damage", [changed, torn])
@pytest.mark.parametrize("path", BEFORE, ids=lambda path: path.stem)
def test_a_damaged_report_is_refused_or_shown(path: Path, damage: Damage, tmp_path: Path) -> None:
    """Whatever is read can be shown by every command that reads; everything else is one line that names the file."""
    held, rng = json.loads(path.read_text(encoding="utf-8")), random.Random(0)
    console, refused, shown = Console(file=(tmp_path / "shown").open("w", encoding="utf-8")), 0, 0
    for _ in range(150):
        folder_of(tmp_path, damage(held, rng))
        try:
            read = read_report(tmp_path)
        except DeployError as error:
            assert "\n" not in str(error) and REPORT in str(error)
            refused += 1
            continue
        console.print(summary(read), *energy_tables(read, layers=True))
        assert comparison([tmp_path, tmp_path]).rows
        assert loads(Report, dumps(read), "again") == read
        shown += 1
    console.file.close()
    assert refused > 50 and shown > 0
