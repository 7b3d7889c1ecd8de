"""Tables of texts: .tsv and .csv with a header line, or .jsonl, with a text and perhaps a label column."""

from __future__ import annotations

import csv
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import transformers

from deploy.errors import DeployError
from deploy.sources.classes import class_numbers
from deploy.sources.images import Read
from deploy.sources.loaded import LoadedModel, TextInput, first_line

TEXT_COLUMNS = ("text", "sentence", "content", "review")
LABEL_COLUMNS = ("label", "labels", "class", "y")


def read_table(path: Path, model: LoadedModel, role: str, limit: int | None, tokens: int | None) -> Read:
    """input_ids and attention_mask (N, tokens) int64, labels, class names; raises DeployError."""
    if model.text is None:
        raise DeployError(f"{path}: a table of texts, but {model.spec} has no tokenizer; give an .npz")
    rows = _rows(path)
    if not rows:
        raise DeployError(f"{path}: holds no rows; give a header line and at least one text")
    columns = list(rows[0])
    text = _column(TEXT_COLUMNS, columns)
    if text is None:
        raise DeployError(f"{path}: no column {'/'.join(TEXT_COLUMNS)}; its columns are {', '.join(columns)}")
    label = _column(LABEL_COLUMNS, columns)
    for number, row in enumerate(rows, 1):
        if any(not str(row.get(name) or "").strip() and row.get(name) != 0 for name in (text, label) if name):
            raise DeployError(f"{path}: row {number} has an empty `{text}` or `{label}`; fill it in or remove the row")
    labels = None
    if label is not None and role == "evaluation":
        names = [str(row[label]).strip() for row in rows]
        numbers = class_numbers(names, model, str(path))
        labels = np.array([numbers[name] for name in names], np.int64)[:limit]
    texts = [str(row[text]) for row in rows][:limit]
    return (
        _tokenise(texts, path, model.text.tokenizer, tokens, model.text.max_tokens),
        labels,
        model.class_names,
    )


def _tokenise(
    texts: list[str], path: Path, tokenizer_name: str, tokens: int | None, longest: int | None
) -> dict[str, np.ndarray]:
    try:
        tokenizer = transformers.AutoTokenizer.from_pretrained(tokenizer_name)
    except (OSError, ValueError, KeyError, ImportError) as error:
        raise DeployError(
            f"{tokenizer_name}: no readable tokenizer ({first_line(error)}), which {path} needs; put the "
            "model's tokenizer.json there, or give token numbers in an .npz"
        ) from error
    bounds = [bound for bound in (tokens, longest, tokenizer.model_max_length) if bound is not None]
    encoded = tokenizer(
        texts,
        padding="max_length" if tokens else "longest",
        truncation=True,
        max_length=min(bounds),
        return_tensors="np",
    )
    return {name: np.asarray(encoded[name], np.int64) for name in ("input_ids", "attention_mask")}


def words(text: TextInput, arguments: Sequence[np.ndarray]) -> list[str]:
    """The tokens of one sample, whose token numbers (and mask) are ``arguments``, without padding.

    Empty where the tokenizer is not at hand: token numbers may have come without one.
    """
    try:
        tokenizer = transformers.AutoTokenizer.from_pretrained(text.tokenizer)
    except (OSError, ValueError, KeyError, ImportError):
        return []
    numbers = arguments[0]
    length = (
        int((arguments[1] != 0).sum()) if len(arguments) > 1 and arguments[1].shape == numbers.shape else len(numbers)
    )
    return [str(token) for token in tokenizer.convert_ids_to_tokens(numbers[:length].tolist())]


def _rows(path: Path) -> list[dict[str, Any]]:
    try:
        with path.open(encoding="utf-8", newline="") as file:
            if path.suffix == ".jsonl":
                rows = [json.loads(line) for line in file if line.strip()]
            elif path.suffix == ".csv":
                rows = list(csv.DictReader(file))
            else:
                rows = list(csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE))
    except (json.JSONDecodeError, UnicodeDecodeError, csv.Error) as error:
        raise DeployError(f"{path}: not readable as {path.suffix[1:]} in UTF-8 ({first_line(error)})") from error
    if not all(isinstance(row, dict) for row in rows):
        raise DeployError(f"{path}: every line must be a JSON object with a text field")
    return rows


def _column(known: tuple[str, ...], columns: list[str]) -> str | None:
    return next((name for name in columns if str(name).strip().lower() in known), None)
