"""Tables of texts: a text and perhaps a label column, tokenised by the model's own tokenizer."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from deploy.errors import DeployError
from deploy.sources.loaded import LoadedModel, TextInput, first_line
from deploy.sources.tables import Row, read_rows

TEXT_COLUMNS = ("text", "sentence", "content", "review")
LABEL_COLUMNS = ("label", "labels", "class", "y")
NUMBERING = ("", "id", "idx", "index", "unnamed: 0", "guid")
"""Columns that number rows, and are nobody's labels."""


def read_table(path: Path, model: LoadedModel, role: str) -> tuple[list[str], list[str] | None]:
    """The texts of a table and, for evaluation, their labels as they are written (None: it has no label column).

    Raises:
        DeployError: a table without texts, with an empty field, or whose labels may stand in a column of another name.
    """
    if model.text is None:
        raise DeployError(f"{path}: a table of texts, but {model.spec} has no tokenizer; give an .npz")
    rows = read_rows(path)
    if not rows:
        raise DeployError(f"{path}: holds no rows; give a header line and at least one text")
    columns = list(dict.fromkeys(name for row in rows for name in row.fields))
    text = _column(TEXT_COLUMNS, columns, path)
    if text is None:
        raise DeployError(f"{path}: no column {'/'.join(TEXT_COLUMNS)}; its columns are {', '.join(columns)}")
    label = _column(LABEL_COLUMNS, columns, path) if role == "evaluation" else None
    texts = [_text(row, text, path) for row in rows]
    if label is not None:
        return texts, [_label(row, label, path) for row in rows]
    unknown = [name for name in columns if name != text and name.strip().lower() not in NUMBERING]
    if role == "evaluation" and unknown:
        raise DeployError(
            f"{path}: no column {'/'.join(LABEL_COLUMNS)}, and nobody says what `{unknown[0]}` is; call it `label` if it holds "
            "labels, or remove it"
        )
    return texts, None


def _text(row: Row, column: str, path: Path) -> str:
    value = row.fields.get(column)
    if not isinstance(value, str) or not value.strip():
        raise DeployError(
            f"{path}: row {row.number} has an empty `{column}`, or no text there (line {row.line}); repair or remove it"
        )
    if any("\ud800" <= character <= "\udfff" for character in value):
        raise DeployError(f"{path}: line {row.line}: `{column}` holds half a character (a lone surrogate); repair it")
    return value


def _label(row: Row, column: str, path: Path) -> str:
    value = row.fields.get(column)
    if not isinstance(value, (str, int, float)) or isinstance(value, bool) or not str(value).strip():
        raise DeployError(
            f"{path}: row {row.number} has an empty `{column}`, or neither a name nor a number there (line {row.line}); "
            "repair or remove it"
        )
    return str(value).strip()


def tokenise(texts: list[str], path: Path, text: TextInput, tokens: int | None) -> dict[str, np.ndarray]:
    """input_ids and attention_mask (N, tokens) int64; ``tokens``: length to pad and cut to, None for the longest text's.

    Raises:
        DeployError: the model's tokenizer cannot be read, or cannot code these texts.
    """
    try:
        tokenizer = _tokenizer(text)
    except Exception as error:  # a damaged tokenizer can lead its readers anywhere
        raise DeployError(
            f"{text.tokenizer}: no readable tokenizer ({first_line(error)}), which {path} needs; put the "
            "model's tokenizer.json there, or give token numbers in an .npz"
        ) from error
    bounds = [bound for bound in (tokens, text.max_tokens, tokenizer.model_max_length) if bound is not None]
    try:
        encoded: Any = tokenizer(
            texts,
            padding="max_length" if tokens else "longest",
            truncation=True,
            max_length=min(bounds),
            return_tensors="np",
        )
        return {name: np.asarray(encoded[name], np.int64) for name in ("input_ids", "attention_mask")}
    except Exception as error:
        raise DeployError(f"{path}: the tokenizer of {text.tokenizer} cannot code it ({first_line(error)})") from error


def words(text: TextInput, arguments: Sequence[np.ndarray]) -> list[str]:
    """The tokens of one sample, whose token numbers (and mask) are ``arguments``, without padding.

    Empty where the tokenizer is not at hand: token numbers may have come without one.
    """
    try:
        tokenizer = _tokenizer(text)
    except Exception:  # a damaged tokenizer can lead its readers anywhere
        return []
    numbers = arguments[0]
    length = (
        int((arguments[1] != 0).sum()) if len(arguments) > 1 and arguments[1].shape == numbers.shape else len(numbers)
    )
    return [str(token) for token in tokenizer.convert_ids_to_tokens(numbers[:length].tolist())]


def _column(known: tuple[str, ...], columns: list[str], path: Path) -> str | None:
    found = [name for name in columns if name.strip().lower() in known]
    if len(found) > 1:
        raise DeployError(f"{path}: columns `{found[0]}` and `{found[1]}` may both be meant; rename or remove one")
    return found[0] if found else None


def _tokenizer(text: TextInput) -> Any:
    import transformers  # takes a second, which what reads no text is spared

    return transformers.AutoTokenizer.from_pretrained(text.tokenizer, trust_remote_code=False)
