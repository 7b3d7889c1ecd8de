"""Translation of a data set's written labels to the model's class numbers."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from deploy.errors import DeployError
from deploy.sources.loaded import LoadedModel

REMEDY = "say what each means by --labels map.json, as {{\"{0}\": 0, ...}}"  # fmt: skip


class LabelRow(NamedTuple):
    """Row of a label table: a label as written, its class number, the model's name of the class, and a sample count."""

    label: str
    number: int
    name: str
    samples: int


def class_numbers(
    labels: Sequence[str], model: LoadedModel, source: str, given: Mapping[str, int | str] | None = None,
    folders: bool = False,
) -> dict[str, int]:  # fmt: skip
    """The class number of each distinct label.

    The first reading that applies is taken: the table ``given``; labels that are all names of the model's classes, in
    any case; labels that are all whole numbers ("3", "3.0"); and, for folders of a model without class names, the
    alphabetical order of as many folders as the model has classes.

    Args:
        labels: labels as they are written, one per sample.
        model: the model, whose classes and class names are known or not.
        source: where the labels come from, for messages.
        given: class number, or name of a class, by label (--labels); None without it.
        folders: whether the labels are names of folders.

    Raises:
        DeployError: no reading applies, or two readings apply and differ; the model has no classes; ``given`` lacks a
            label.
    """
    distinct = sorted(set(labels))
    if model.classes == 1:
        away = "put the files into one folder without subfolders" if folders else "remove their column"
        raise DeployError(
            f"{source}: has labels, but {model.spec} gives one number a sample, which is no class: {away}; outputs are "
            "compared as they are"
        )
    if given is not None:
        return _given(distinct, given, model, source)
    by_name = {label: _number_of(label, model, source) for label in distinct}
    by_number = {label: _whole(label) for label in distinct}
    if all(number is not None for number in by_name.values()):
        return {label: number for label, number in by_name.items() if number is not None}
    if all(number is not None for number in by_number.values()):
        numbers = {label: number for label, number in by_number.items() if number is not None}
        other = [label for label, number in by_name.items() if number is not None and number != numbers[label]]
        if other:
            raise DeployError(
                f"{source}: label `{other[0]}` is a name of class {by_name[other[0]]} of {model.spec} and a number too, and "
                f"not all labels are such names; {REMEDY.format(other[0])}"
            )
        beyond = [label for label in distinct if model.classes is not None and numbers[label] >= model.classes]
        if beyond:
            raise DeployError(
                f"{source}: label `{beyond[0]}` is no class of {model.spec}, whose {model.classes} are numbered from 0; "
                f"{REMEDY.format(beyond[0])}"
            )
        _check_sorted_as_text(distinct, numbers, model, source, folders)
        return numbers
    if not model.class_names and folders and len(distinct) == (model.classes or len(distinct)):
        return {label: number for number, label in enumerate(distinct)}
    foreign = next(label for label in distinct if by_name[label] is None)
    if model.class_names:
        known = f"names {', '.join(model.class_names[:3])}, ..."
    else:
        known = "numbers from 0" if model.classes is None else f"numbers 0 to {model.classes - 1}"
    count = "" if model.classes is None else f"{model.classes} "
    raise DeployError(
        f"{source}: class `{foreign}` cannot be matched with the {count}classes of {model.spec} ({known}; "
        f"{len(distinct)} classes here); {REMEDY.format(foreign)}"
    )


def label_table(labels: Sequence[str], numbers: Mapping[str, int], model: LoadedModel) -> tuple[LabelRow, ...]:
    """Rows that show how labels were read, with the number of samples of each, in the order of the class numbers."""
    counts = Counter(labels)
    rows = (LabelRow(label, number, _name(number, model), counts[label]) for label, number in numbers.items())
    return tuple(sorted((row for row in rows if row.samples), key=lambda row: (row.number, row.label)))


def label_lines(table: Sequence[LabelRow], most: int = 12) -> list[str]:
    """A label table as lines of text to show before a run, at most ``most`` rows of it; empty without rows."""
    if not table:
        return []
    lines = [f"  {row.label} -> class {row.number} {row.name} ({row.samples} samples)" for row in table[:most]]
    more = [f"  ... and {len(table) - most} more"] if len(table) > most else []
    return ["labels, as they were read (--labels map.json says otherwise):", *lines, *more]


def read_labels(path: Path) -> dict[str, int | str]:
    """Read a --labels file: a JSON object from labels to class numbers or to the model's names of classes.

    Raises:
        DeployError: the file cannot be read, or is no such object.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8-sig"))
    except (OSError, ValueError, RecursionError) as error:
        raise DeployError(
            f'--labels {path}: not a readable JSON file ({type(error).__name__}); write {{"cat": 0, "dog": 1}}'
        ) from error
    whole = isinstance(content, dict) and all(
        isinstance(value, (int, str)) and not isinstance(value, bool) for value in content.values()
    )
    if not whole:
        raise DeployError(f'--labels {path}: give one JSON object from labels to class numbers, as {{"cat": 0}}')
    return content


def _given(distinct: list[str], given: Mapping[str, int | str], model: LoadedModel, source: str) -> dict[str, int]:
    missing = [label for label in distinct if label not in given]
    if missing:
        raise DeployError(f"{source}: label `{missing[0]}` is not in --labels ({len(missing)} are missing); add it")
    numbers: dict[str, int] = {}
    for label in distinct:
        value = given[label]
        number = value if isinstance(value, int) else _number_of(value, model, source)
        if number is None or number < 0 or number >= (model.classes or number + 1):
            raise DeployError(f"--labels: `{label}` means {value!r}, which is no class of {model.spec}")
        numbers[label] = number
    return numbers


def _number_of(label: str, model: LoadedModel, source: str) -> int | None:
    """The number of the class named ``label``, or None.

    An exact match goes before one that ignores case, spaces, hyphens and underscores.

    Raises:
        DeployError: several classes have the name.
    """
    names = model.class_names or tuple(f"LABEL_{number}" for number in range(model.classes or 0))
    for key in (str, _plain):
        found = [number for number, name in enumerate(names) if key(name) == key(label)]
        if len(found) > 1:
            raise DeployError(
                f"{source}: label `{label}` is the name of classes {', '.join(map(str, found[:3]))} of {model.spec}; "
                f"{REMEDY.format(label)}"
            )
        if found:
            return found[0]
    return None


def _plain(name: str) -> str:
    return " ".join(name.casefold().replace("_", " ").replace("-", " ").split())


def _whole(label: str) -> int | None:
    """The whole number that a label is written as, such as "3" or "3.0"; None for any other label."""
    whole, _, rest = label.partition(".")
    return int(whole) if whole.isascii() and whole.isdecimal() and len(whole) < 10 and not rest.strip("0") else None


def _check_sorted_as_text(
    distinct: list[str], numbers: Mapping[str, int], model: LoadedModel, source: str, folders: bool
) -> None:
    """Raise DeployError for folders 0, 1, 10, 2, ... of a model without names: training numbers them as text sorts."""
    as_text = {label: place for place, label in enumerate(distinct)}
    if folders and not model.class_names and len(distinct) == model.classes and as_text != numbers:
        first = next(label for label in distinct if as_text[label] != numbers[label])
        raise DeployError(
            f"{source}: folder `{first}` may be class {numbers[first]}, by its number, or {as_text[first]}, as folders are "
            f"sorted in training; {REMEDY.format(first)}"
        )


def _name(number: int, model: LoadedModel) -> str:
    return model.class_names[number] if number < len(model.class_names) else ""
