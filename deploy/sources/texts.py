"""Tables of texts, with or without labels, and plain texts, tokenised by the model's own tokenizer."""

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
"""Names of columns that only number the rows, and so cannot hold labels."""


def read_table(path: Path, model: LoadedModel, role: str) -> tuple[list[str], list[str] | None]:
    """Read the texts of a table and their labels as written; None in place of labels without a label column.

    For ``role`` "calibration" labels are optional and not checked, and the first of several label columns is taken.

    Raises:
        DeployError: the model takes no tables, the table has no texts or an empty field, or labels may stand in a
            column of another name.
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
    """Tokenise texts as ``input_ids`` and ``attention_mask``, both (N, tokens) int64.

    Args:
        texts: the texts.
        path: the file that they come from, for messages.
        text: the model's tokenizer and limits.
        tokens: length that texts are padded and cut to; None takes the longest text's length. Longer texts than the
            model takes are cut in either case.

    Raises:
        DeployError: the model's tokenizer cannot be read, or fails on these texts.
    """
    try:
        tokenizer = _tokenizer(text)
    except Exception as error:  # a damaged tokenizer raises many types of exception
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
    """Token numbers (N, window) int64 of a plain text file, cut into consecutive windows.

    Tokens after the last whole window are dropped. ``limit``: largest number of windows, the first ones.

    Raises:
        DeployError: the file is no text in UTF-8 or shorter than a window, or the tokenizer cannot be read.
    """
    numbers = document(path, text)
    count = len(numbers) // text.window
    if not count:
        raise DeployError(
            f"{path}: has {len(numbers):,} tokens, a window takes {text.window}; give a longer text, or a smaller --tokens"
        )
    return numbers[: count * text.window].reshape(count, text.window)[:limit]


def document(path: Path, text: TextInput) -> np.ndarray:
    """All token numbers (tokens,) int64 of a plain text file, without the tokenizer's special tokens.

    Raises:
        DeployError: the file is no text in UTF-8, or the tokenizer cannot be read or fails on the text.
    """
    try:
        written = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise DeployError(f"{path}: no text in UTF-8 ({first_line(error)}); convert it") from error
    return encoded(written, text, str(path))


def encoded(written: str, text: TextInput, where: str) -> np.ndarray:
    """Token numbers (tokens,) int64 of a text, without special tokens; ``where``: what messages call the text.

    Raises:
        DeployError: the tokenizer cannot be read, fails on the text, or gives a token number that the model does not
            know.
    """
    tokenizer = tokenizer_of(text)
    try:
        with _silent():  # transformers would warn that a document exceeds the model's length; windows cut it later
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
    """The model's transformers tokenizer.

    Raises:
        DeployError: the tokenizer cannot be read.
    """
    try:
        return _tokenizer(text)
    except Exception as error:  # a damaged tokenizer raises many types of exception
        raise DeployError(
            f"{text.tokenizer}: no readable tokenizer ({first_line(error)}); put the model's tokenizer.json there, or give "
            "token numbers in an .npz"
        ) from error


@contextlib.contextmanager
def _silent() -> Iterator[None]:
    """Context in which transformers logs errors only."""
    import transformers

    before = transformers.logging.get_verbosity()
    transformers.logging.set_verbosity_error()
    try:
        yield
    finally:
        transformers.logging.set_verbosity(before)


def words(text: TextInput, arguments: Sequence[np.ndarray]) -> list[str]:
    """The tokens of one sample as text, without padding; empty if the tokenizer cannot be read.

    ``arguments``: the sample's token numbers (tokens,), and its attention mask (tokens,) if the model takes one.
    """
    try:
        tokenizer = _tokenizer(text)
    except Exception:  # token numbers may have come without a tokenizer, and a damaged one raises anything
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
    import transformers  # imported late, as it takes a second

    extra = {"gguf_file": text.gguf} if text.gguf else {}
    return transformers.AutoTokenizer.from_pretrained(text.tokenizer, trust_remote_code=False, **extra)
