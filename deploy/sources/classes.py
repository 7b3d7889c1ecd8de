"""From the names of classes in a data set to the model's class numbers."""

from __future__ import annotations

from collections.abc import Sequence

from deploy.errors import DeployError
from deploy.sources.loaded import LoadedModel


def class_numbers(names: Sequence[str], model: LoadedModel, source: str) -> dict[str, int]:
    """The class number of each distinct name in `names`.

    In this order: names that are all numbers mean themselves; names that are all the model's own mean its
    numbers; as many names as the model has classes are numbered in alphabetical order. Anything else
    would be a guess and raises DeployError.
    """
    distinct = sorted(set(names))
    if all(name.isdecimal() for name in distinct):
        return {name: int(name) for name in distinct}
    own = {name: number for number, name in enumerate(model.class_names)}
    if own and all(name in own for name in distinct):
        return {name: own[name] for name in distinct}
    if model.classes is None or len(distinct) == model.classes:
        return {name: number for number, name in enumerate(distinct)}
    foreign = next((name for name in distinct if name not in own), distinct[0])
    raise DeployError(
        f"{source}: class `{foreign}` cannot be matched with the {model.classes} classes of {model.spec} "
        f"({len(distinct)} classes here); name classes by their numbers"
    )
