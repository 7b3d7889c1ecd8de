"""Traits: questions that every operation answers, each in a file of the operation's own folder.

A trait is declared once, where its types are, and names the file in which operations answer it:

    events: Trait[[Visit], Events] = Trait("events", "which events a node causes")          # processes/events.py

    @events.of(PhaseNeuron)                                                                 # processes/phase_neuron/events.py
    def _(op: PhaseNeuron, visit: Visit) -> Events: ...

There are no defaults: an operation answers, or refuses with a reason, or a test that walks all traits and operations fails
and a call raises. The files are imported when a trait is first asked about an operation of their folder.
"""

from __future__ import annotations

import importlib
import importlib.util
from collections.abc import Callable
from typing import Any, ClassVar, Concatenate, Generic, ParamSpec, TypeVar

from processes.errors import DeployError
from processes.operation import Operation

P = ParamSpec("P")
R = TypeVar("R")


class Refused(DeployError):
    """An operation has no answer to a trait; the message says which, and why."""


class Trait(Generic[P, R]):
    """A question ``trait(operation, ...)`` with one answer per class of operations.

    Args:
        module: name of the file, without its ending, that holds the answers in an operation's folder.
        question: what is asked, in words that complete "how ... is not known" in an error message.
    """

    ALL: ClassVar[list[Trait[Any, Any]]] = []

    def __init__(self, module: str, question: str) -> None:
        self.module, self.question = module, question
        self._answers: dict[type[Operation], Callable[Concatenate[Any, P], R]] = {}
        self._reasons: dict[type[Operation], str] = {}
        Trait.ALL.append(self)

    def of(
        self, *operations: type[Operation]
    ) -> Callable[[Callable[Concatenate[Any, P], R]], Callable[Concatenate[Any, P], R]]:
        """Decorator: the function answers for these classes."""

        def register(answer: Callable[Concatenate[Any, P], R]) -> Callable[Concatenate[Any, P], R]:
            for operation in operations:
                if operation in self._answers or operation in self._reasons:
                    raise ValueError(f"'{operation.__name__}' already answers the trait '{self.module}'")
                self._answers[operation] = answer
            return answer

        return register

    def refuse(self, operation: type[Operation], reason: str) -> None:
        """State that a class has no answer, and why; ``reason`` completes the sentence "operation 'X': ..."."""
        self._reasons[operation] = reason

    def reason(self, operation: type[Operation]) -> str | None:
        """Why a class has no answer, or None if it has one.

        Raises:
            LookupError: the class neither answers nor refuses.
        """
        self._import(operation)
        if operation in self._reasons:
            return self._reasons[operation]
        if operation not in self._answers:
            raise LookupError(f"'{operation.name}' has no {self.module}.py that says how {self.question}")
        return None

    def __call__(self, op: Operation, *args: P.args, **kwargs: P.kwargs) -> R:
        """The answer of ``op``'s class.

        Raises:
            Refused: the class has none, for the reason in the message.
            LookupError: the class neither answers nor refuses.
        """
        answer = self._answers.get(type(op))
        if answer is None:
            if (reason := self.reason(type(op))) is not None:
                raise Refused(f"operation '{op.name}': {reason}")
            answer = self._answers[type(op)]
        return answer(op, *args, **kwargs)

    def _import(self, operation: type[Operation]) -> None:
        """Import the file of the class's folder that belongs to this trait, if there is one."""
        name = f"{operation.__module__}.{self.module}"
        if importlib.util.find_spec(name) is not None:
            importlib.import_module(name)
