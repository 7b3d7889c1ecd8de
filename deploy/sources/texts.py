"""Tables of texts: a text and perhaps a label column, tokenised by the model's own tokenizer."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from deploy.errors import DeployError, first_line
from deploy.sources.loaded import LoadedModel, TextInput
from deploy.sources.tables import Row, read_rows

TEXT_COLUMNS = ("text", "sentence", "content", "review")
LABEL_COLUMNS = ("label", "labels", "class", "y")
NUMBERING = ("", "id", "idx", "index", "unnamed: 0", "guid")
"""Columns that number rows, and are nobody's labels."""


def read_table(path: Path, model: LoadedModel, role: str) -> tuple[list[str], list[str] | None]:
    """The texts of a table and their labels as they are written (None: it has no label column).

    Calibration needs no labels: there they may be anything, and stand in any number of columns.

    Raises:
        DeployError: a table without texts, with an empty field, or whose labels may stand in a column of another name.
    """
    if model.text is None:
        raise DeployError(f"{path}: a table of texts, but {model.spec} has no tokenizer; give an .npz")
    if model.text.causal:
        raise DeployError(
            f"{path}: a table, but {model.spec} is a language model, which takes plain text; give a .txt file"
        )
    rows = read_rows(path)
    if not rows:
        raise DeployError(f"{path}: holds no rows; give a header line and at least one text")
    columns = list(dict.fromkeys(name for row in rows for name in row.fields))
    text = _column(TEXT_COLUMNS, columns, path)
    if text is None:
        raise DeployError(
            f"{path}: no column {'/'.join(TEXT_COLUMNS)}; its columns are {', '.join(columns)}; call the one of "
            "texts `text`"
        )
    texts = [_text(row, text, path) for row in rows]
    if role == "calibration":
        found = [name for name in columns if name.strip().lower() in LABEL_COLUMNS]
        return texts, [str(row.fields.get(found[0], "")).strip() for row in rows] if found else None
    label = _column(LABEL_COLUMNS, columns, path)
    if label is not None:
        return texts, [_label(row, label, path) for row in rows]
    unknown = [name for name in columns if name != text and name.strip().lower() not in NUMBERING]
    if unknown:
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


def read_windows(path: Path, text: TextInput, limit: int | None = None) -> np.ndarray:
    """Token numbers (N, window) int64 of a plain text file, cut into windows one after the other; the rest is left out.

    Raises:
        DeployError: the file is no text, or is shorter than a window.
    """
    numbers = document(path, text)
    count = len(numbers) // text.window
    if not count:
        raise DeployError(
            f"{path}: has {len(numbers):,} tokens, a window takes {text.window}; give a longer text, or a smaller --tokens"
        )
    return numbers[: count * text.window].reshape(count, text.window)[:limit]


def document(path: Path, text: TextInput) -> np.ndarray:
    """All token numbers (tokens,) int64 of a plain text file, without special tokens of the tokenizer's own.

    Raises:
        DeployError: the file is no text in UTF-8, or the tokenizer cannot be read.
    """
    try:
        written = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise DeployError(f"{path}: no text in UTF-8 ({first_line(error)}); convert it") from error
    return encoded(written, text, str(path))


def encoded(written: str, text: TextInput, where: str) -> np.ndarray:
    """Token numbers (tokens,) int64 of a text; ``where`` it stands, for messages.

    Raises:
        DeployError: the tokenizer cannot be read, or cannot code the text.
    """
    tokenizer = tokenizer_of(text)
    try:
        with _silent():  # a document is longer than the model's window, which is what windows are for
            numbers: Any = tokenizer(written, add_special_tokens=False)["input_ids"]
    except Exception as error:
        raise DeployError(f"{where}: the tokenizer of {text.tokenizer} cannot code it ({first_line(error)})") from error
    found = np.asarray(numbers, np.int64)
    if text.vocabulary is not None and len(found) and found.max() >= text.vocabulary:
        raise DeployError(
            f"{where}: the tokenizer of {text.tokenizer} gives token {found.max()}, the model knows {text.vocabulary}: it is "
            "another model's"
        )
    return found


def tokenizer_of(text: TextInput) -> Any:
    """The model's tokenizer.

    Raises:
        DeployError: it cannot be read.
    """
    try:
        return _tokenizer(text)
    except Exception as error:  # a damaged tokenizer can lead its readers anywhere
        raise DeployError(
            f"{text.tokenizer}: no readable tokenizer ({first_line(error)}); put the model's tokenizer.json there, or give "
            "token numbers in an .npz"
        ) from error


@contextlib.contextmanager
def _silent() -> Iterator[None]:
    """Without transformers' warnings."""
    import transformers

    before = transformers.logging.get_verbosity()
    transformers.logging.set_verbosity_error()
    try:
        yield
    finally:
        transformers.logging.set_verbosity(before)


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

    extra = {"gguf_file": text.gguf} if text.gguf else {}
    return transformers.AutoTokenizer.from_pretrained(text.tokenizer, trust_remote_code=False, **extra)
