"""Strict reading of .csv, .tsv and .jsonl tables as rows with line numbers, in UTF-8 or as the byte-order mark says."""

from __future__ import annotations

import codecs
import csv
import io
import json
from pathlib import Path
from typing import Any, NamedTuple

from deploy.errors import DeployError, first_line

MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"), (codecs.BOM_UTF32_LE, "utf-32"), (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"), (codecs.BOM_UTF16_BE, "utf-16"),
)  # fmt: skip
SUFFIXES = (".tsv", ".csv", ".jsonl")


class Row(NamedTuple):
    """A row of a table: its number from 1, the line of the file in which it ends, and its fields by column."""

    number: int
    line: int
    fields: dict[str, Any]


def read_rows(path: Path) -> list[Row]:
    """Read the rows of a table; every row of a .csv or .tsv has exactly the header's columns.

    Raises:
        DeployError: a line cannot be read, or has another number of fields than the header; the message names the line.
    """
    text = _decoded(path)
    if path.suffix == ".jsonl":
        return _json_lines(text, path)
    if path.suffix == ".csv":
        header = text.partition("\n")[0]
        return _strict(text, path, ";" if ";" in header and "," not in header else ",", quoted=True)
    return _tab_separated(text, path)


def _decoded(path: Path) -> str:
    try:
        content = path.read_bytes()
        encoding = next((name for mark, name in MARKS if content.startswith(mark)), "utf-8")
        text = content.decode(encoding)
    except (OSError, UnicodeDecodeError) as error:
        raise DeployError(
            f"{path}: not readable as {path.suffix[1:]} in UTF-8 ({first_line(error)}); save it in UTF-8, or in UTF-16 with "
            "a byte-order mark"
        ) from error
    if "\0" in text:
        raise DeployError(f"{path}: holds zero bytes, as UTF-16 without a byte-order mark does; save it in UTF-8")
    return text


def _tab_separated(text: str, path: Path) -> list[Row]:
    """Read tab-separated text.

    Quotes delimit fields, as pandas and Excel write them, if they are well-formed; else each is a character of the
    text.

    Raises:
        DeployError: neither reading is possible, or both are and differ in the number of rows.
    """
    if '"' not in text:
        return _strict(text, path, "\t", quoted=False)
    readings: list[list[Row]] = []
    refusals: list[DeployError] = []
    for quoted in (True, False):
        try:
            readings.append(_strict(text, path, "\t", quoted))
        except DeployError as error:
            refusals.append(error)
    if not readings:
        raise refusals[-1]
    if len({len(rows) for rows in readings}) > 1:
        first = next(a.line for a, b in zip(*readings, strict=False) if a.line != b.line)
        raise DeployError(
            f"{path}: line {first}: a quote may open a field of several lines, or be a character of "
            "the text; save it as .csv or .jsonl"
        )
    return readings[0]


def _strict(text: str, path: Path, delimiter: str, quoted: bool) -> list[Row]:
    quoting = csv.QUOTE_MINIMAL if quoted else csv.QUOTE_NONE
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, quoting=quoting, strict=True)
    rows: list[Row] = []
    header: list[str] | None = None
    try:
        for fields in reader:
            if not fields:  # an empty line
                continue
            if header is None:
                header = [name.strip() for name in fields]
                _check_header(header, path)
            elif len(fields) != len(header):
                raise DeployError(
                    f"{path}: line {reader.line_num} has {len(fields)} fields, the header {len(header)}; put texts that hold "
                    f"{'tabs' if delimiter == chr(9) else f'`{delimiter}`'} into double quotes"
                )
            else:
                rows.append(Row(len(rows) + 1, reader.line_num, dict(zip(header, fields, strict=True))))
    except csv.Error as error:
        raise DeployError(
            f"{path}: line {reader.line_num}: not readable as {path.suffix[1:]} ({first_line(error)})"
        ) from error
    return rows


def _check_header(header: list[str], path: Path) -> None:
    twice = [name for name in header if header.count(name) > 1]
    if twice:
        raise DeployError(f"{path}: two columns are called `{twice[0]}`; rename one")


def _json_lines(text: str, path: Path) -> list[Row]:
    rows: list[Row] = []
    for number, line in enumerate(text.split("\n"), 1):
        if not line.strip():
            continue
        try:
            fields = json.loads(line)
        except (ValueError, RecursionError) as error:
            raise DeployError(f"{path}: line {number}: not readable as jsonl ({first_line(error)})") from error
        if not isinstance(fields, dict):
            raise DeployError(f"{path}: line {number}: every line must be a JSON object with a text field")
        rows.append(Row(len(rows) + 1, number, fields))
    return rows
