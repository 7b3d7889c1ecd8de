"""Commands whose options are the fields of a dataclass."""

from __future__ import annotations

import copy
import functools
import inspect
from collections.abc import Callable, Collection
from dataclasses import MISSING, fields
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

from typer.models import OptionInfo

Options = TypeVar("Options")


def takes(
    kind: type[Options], only: Collection[str] | None = None
) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Decorator of a command whose first parameter is a dataclass ``kind``: its fields become options of the command.

    ``only``: names of the fields that become options; None takes all.
    """

    def decorate(command: Callable[..., None]) -> Callable[..., None]:
        hints = get_type_hints(kind, include_extras=True)
        own = [field for field in fields(kind) if only is None or field.name in only]  # type: ignore[arg-type]
        declared = [
            inspect.Parameter(
                field.name,
                inspect.Parameter.KEYWORD_ONLY,
                default=inspect.Parameter.empty if field.default is MISSING else field.default,
                annotation=_as_text(hints[field.name]),
            )
            for field in own
        ]
        further = list(inspect.signature(command, eval_str=True).parameters.values())[1:]
        further = [parameter.replace(kind=inspect.Parameter.KEYWORD_ONLY) for parameter in further]

        @functools.wraps(command)
        def run(**values: Any) -> None:
            command(kind(**{field.name: values.pop(field.name) for field in own}), **values)

        parameters = [*declared, *further]
        run.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
        run.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
        return run

    return decorate


def _as_text(hint: Any) -> Any:
    """The hint that Typer sees: Literals and unions become str, which the option's parser or the dataclass reads."""
    kind, info, *_ = get_args(hint)
    members = get_args(kind) if get_origin(kind) in (Union, UnionType) else (kind,)
    named = [member for member in members if member is not NoneType]
    if get_origin(named[0]) is Literal and isinstance(info, OptionInfo):
        info = copy.copy(info)
        info.metavar = "|".join(get_args(named[0]))
    if len(named) == 1 and get_origin(named[0]) is not Literal:
        return hint
    return Annotated[str | None if NoneType in members else str, info]
