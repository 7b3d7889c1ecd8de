"""Every operation answers every trait, in a file of its own folder, or refuses with a reason."""

from __future__ import annotations

import importlib
import pkgutil
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import pytest

import processes
from processes.operation import REGISTRY, Operation
from processes.operations import OPERATIONS
from processes.traits import Refused, Trait

for module in pkgutil.iter_modules(processes.__path__, "processes."):
    importlib.import_module(module.name)  # which declares its traits, or its operations

TRAITS = list(Trait.ALL)


@pytest.fixture
def trait() -> Iterator[Trait[[int], str]]:
    """A trait of this test alone."""
    made: Trait[[int], str] = Trait("example", "what is asked")
    yield made
    Trait.ALL.remove(made)


@pytest.fixture
def operation() -> Iterator[type[Operation]]:
    """An operation of this test alone, of which nothing is known."""

    @dataclass(frozen=True, eq=False, kw_only=True)
    class Unheard(Operation):
        name: ClassVar[str] = "unheard"
        emits: ClassVar[str] = "graded"  # type: ignore[assignment]

    yield Unheard
    del REGISTRY["unheard"]


def test_the_table_of_operations_is_complete() -> None:
    """A folder without a row is found, as importing it, above, registers its operations."""
    registered = {op for op in REGISTRY.values() if op.__module__.startswith("processes.")}
    assert len(OPERATIONS) == len(registered) and set(OPERATIONS) == registered


@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda op: op.name)
@pytest.mark.parametrize("trait", TRAITS, ids=lambda trait: f"{trait.module}: {trait.question}")
def test_every_operation_answers_every_trait_in_its_folder(trait: Trait, operation: type[Operation]) -> None:
    if trait.module == "lava":
        pytest.importorskip("lava", reason="Processes are there where Lava is")
    statement = trait.statement(operation)
    assert statement.answer is not None or len(statement.reason.split()) > 3
    folder = Path(str(sys.modules[operation.__module__].__file__)).parent
    assert Path(statement.file) == folder / f"{trait.module}.py"


@pytest.mark.parametrize("trait", TRAITS, ids=lambda trait: f"{trait.module}: {trait.question}")
def test_an_operation_without_answers_is_found(trait: Trait, operation: type[Operation]) -> None:
    with pytest.raises(LookupError, match=f"'Unheard' has no {trait.module}.py that says {trait.question}"):
        trait.statement(operation)


def test_an_operation_answers(trait: Trait[[int], str], operation: type[Operation]) -> None:
    trait.of(operation)(lambda op, times: op.name * times)
    assert trait(operation(shape=(1,)), 2) == "unheardunheard"


def test_an_operation_refuses_with_a_reason(trait: Trait[[int], str], operation: type[Operation]) -> None:
    trait.refuse("nobody asked before", operation)
    with pytest.raises(Refused, match="operation 'unheard': nobody asked before"):
        trait(operation(shape=(1,)), 2)


def test_a_class_answers_only_what_all_its_operations_do(trait: Trait[[int], str], operation: type[Operation]) -> None:
    trait.always("first", operation)
    assert trait.of_class(operation) == "first"
    other: Trait[[int], str] = Trait("example", "what else is asked")
    Trait.ALL.remove(other)
    other.of(operation)(lambda op, times: op.name * times)
    with pytest.raises(LookupError, match="'Unheard' as a class does not say what else is asked"):
        other.of_class(operation)


def test_two_answers_are_an_error(trait: Trait[[int], str], operation: type[Operation]) -> None:
    trait.always("first", operation)
    with pytest.raises(ValueError, match="'Unheard' says twice what is asked"):
        trait.refuse("second", operation)


def test_a_file_that_is_executed_again_under_another_name_changes_nothing(
    trait: Trait[[int], str], operation: type[Operation]
) -> None:
    for name in ("processes.unheard.example", "example"):
        exec(compile("trait.always(__name__, operation)", "example.py", "exec"), locals() | {"__name__": name})
    assert trait(operation(shape=(1,)), 2) == "processes.unheard.example"


def test_answers_are_not_inherited(trait: Trait[[int], str], operation: type[Operation]) -> None:
    trait.always("first", operation)
    with pytest.raises(LookupError, match="'Derived' has no example"):
        trait(type("Derived", (operation,), {})(shape=(1,)), 2)
