"""Traits: questions that every operation answers, each in a file of the operation's own folder.

A trait is declared once, where its types are, and names the file in which operations answer it:

    events: Trait[[Visit], Events] = Trait("events", "which events a node causes")          # processes/events.py

    @events.of(PhaseNeuron)                                                                 # processes/phase_neuron/events.py
    def _(op: PhaseNeuron, visit: Visit) -> Events: ...

There are no defaults: an operation answers, or refuses with a reason, or a test that walks all traits and operations
fails and a call raises. Answers hold for exactly the classes that they name, not for classes derived from these. The
files are imported when a trait is first asked about an operation of their folder; an operation that is defined in a
module without a folder answers in that module.
"""

from __future__ import annotations

import importlib
import importlib.util
import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar, Concatenate, Generic, ParamSpec, TypeVar

from processes.errors import DeployError
from processes.operation import Operation

P = ParamSpec("P")
R = TypeVar("R")


class Refused(DeployError):
    """An operation has no answer to a trait; the message says which, and why."""


@dataclass(frozen=True)
class Statement(Generic[P, R]):
    """What one class of operations says to a trait: a function that answers, or a reason why there is no answer.

    Attributes:
        answer: called with the operation and what else is asked; None if the operation refuses.
        reason: completes the sentence "operation 'X': ..."; empty if there is an answer.
        constant: whether all operations of the class have the same answer, whatever else is asked.
        file, module: where the statement stands, and the name of the module as which that file was executed.
    """

    answer: Callable[Concatenate[Any, P], R] | None
    reason: str
    constant: bool
    file: str
    module: str


class Trait(Generic[P, R]):
    """A question ``trait(operation, ...)`` with one answer per class of operations.

    Args:
        module: name of the file, without its ending, that holds the answers in an operation's folder.
        question: what is asked, in words that complete "that says ..." in an error message.
    """

    ALL: ClassVar[list[Trait[Any, Any]]] = []

    def __init__(self, module: str, question: str) -> None:
        self.module, self.question = module, question
        self._statements: dict[type[Operation], Statement[P, R]] = {}
        Trait.ALL.append(self)

    def of(
        self, *operations: type[Operation]
    ) -> Callable[[Callable[Concatenate[Any, P], R]], Callable[Concatenate[Any, P], R]]:
        """Decorator that makes a function the answer of these classes.

        Raises:
            ValueError: one of the classes already has a statement.
        """
        place = _caller()

        def register(answer: Callable[Concatenate[Any, P], R]) -> Callable[Concatenate[Any, P], R]:
            self._state(operations, Statement(answer, "", False, *place))
            return answer

        return register

    def always(self, answer: R, *operations: type[Operation]) -> None:
        """State that these classes have one and the same answer, whatever else is asked."""
        self._state(operations, Statement(lambda op, *args, **kwargs: answer, "", True, *_caller()))

    def refuse(self, reason: str, *operations: type[Operation]) -> None:
        """State that these classes have no answer, and why; ``reason`` completes the sentence "operation 'X': ..."."""
        self._state(operations, Statement(None, reason, True, *_caller()))

    def statement(self, operation: type[Operation]) -> Statement[P, R]:
        """The statement of a class, after importing the file of its folder that holds it.

        Raises:
            LookupError: the class neither answers nor refuses.
        """
        if operation not in self._statements:
            _import_if_there(operation, self.module)
        if operation not in self._statements:
            raise LookupError(f"'{operation.__name__}' has no {self.module}.py that says {self.question}")
        return self._statements[operation]

    def of_class(self, operation: type[Operation]) -> R:
        """The answer that is the same for all operations of a class, asked without an operation.

        Raises:
            LookupError: the class refuses, or its answer depends on the operation.
        """
        statement: Statement[..., R] = self.statement(operation)
        if statement.answer is None or not statement.constant:
            raise LookupError(f"'{operation.__name__}' as a class does not say {self.question}")
        return statement.answer(None)

    def __call__(self, op: Operation, *args: P.args, **kwargs: P.kwargs) -> R:
        """The answer of ``op``'s class.

        Raises:
            Refused: the class has none, for the reason in the message.
            LookupError: the class neither answers nor refuses.
        """
        statement = self.statement(type(op))
        if statement.answer is None:
            raise Refused(f"operation '{op.name}': {statement.reason}")
        return statement.answer(op, *args, **kwargs)

    def _state(self, operations: tuple[type[Operation], ...], new: Statement[P, R]) -> None:
        """Register a statement; the first stays where Lava's search for models executes a file again."""
        for operation in operations:
            old = self._statements.setdefault(operation, new)
            if old is not new and (old.file != new.file or old.module == new.module):
                raise ValueError(f"'{operation.__name__}' says twice {self.question}: in {old.file} and {new.file}")


def _caller() -> tuple[str, str]:
    """File and module name of the code that calls a method of a trait."""
    frame = sys._getframe(2)
    return frame.f_code.co_filename, frame.f_globals["__name__"]


def _import_if_there(operation: type[Operation], module: str) -> None:
    """Import a file of an operation's folder, if it has a folder with such a file."""
    name = f"{operation.__module__}.{module}"
    if hasattr(sys.modules[operation.__module__], "__path__") and importlib.util.find_spec(name) is not None:
        importlib.import_module(name)
