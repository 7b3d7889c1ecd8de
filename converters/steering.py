"""What steers a model and does not depend on its input: masks of ones, sizes of grids, tables of windows.

torch.export knows shapes but no values. It refuses a model that asks ``if mask.any()`` or reads ``x[mask]``, even where
the mask is the same for all inputs. Here the model runs once on real tensors, and every tensor that the input or chance
has a part in is marked. What an unmarked tensor answers is the same for all inputs, and it gives that answer while the
model is exported. So the model goes the way that it goes outside of the exporter.
"""

from __future__ import annotations

import contextlib
import functools
import os
import sys
from collections import Counter, defaultdict
from collections.abc import Iterator
from typing import Any
from unittest.mock import patch

import torch
from torch.multiprocessing.reductions import StorageWeakRef
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode

from converters.answers import SHAPES, STEERED, Answer, answer_of, constant, tensors_in
from processes.errors import DeployError

Place = tuple[str, int, str]
"""File and line of the program that calls a function, and the function's name."""
TORCH = os.path.dirname(torch.__file__)


@contextlib.contextmanager
def told(model: torch.nn.Module, example: tuple[torch.Tensor, ...]) -> Iterator[None]:
    """Let tensors that do not depend on the input answer for their values while a model is exported.

    Args:
        model: what is exported in the context; it runs once before.
        example: its arguments.

    Raises:
        DeployError: the model does not run on the example.
    """
    marks = _Marks(example)
    recorder = _Recorder(marks)
    try:
        with torch.no_grad(), recorder, marks:
            model(*example)
    except Exception as error:
        raise DeployError(
            f"{type(model).__name__} does not run on a sample: {type(error).__name__}: {error}"
        ) from error
    forward = model.forward

    @functools.wraps(forward)
    def told_forward(*args: Any, **kwargs: Any) -> Any:
        compiling, exporting = (
            patch.object(torch.compiler, f"is_{what}", lambda: False) for what in ("compiling", "exporting")
        )
        with compiling, exporting, _Answers(recorder.answers):
            return forward(*args, **kwargs)

    with patch.object(model, "forward", told_forward):
        yield


class _Marks(TorchDispatchMode):
    """Marks the memory of every tensor that depends on the values of some inputs, or on chance.

    Once a marked tensor's value has become a number of Python, everything that follows counts as marked.
    """

    def __init__(self, inputs: tuple[torch.Tensor, ...]) -> None:
        super().__init__()
        self.marked = {_memory(tensor) for tensor in inputs}
        self.escaped = False

    def on(self, values: Any) -> bool:
        """Whether a tensor among nested values is marked."""
        return self.escaped or any(_memory(tensor) in self.marked for tensor in tensors_in(values))

    def escape(self, values: Any) -> None:
        """Note that tensors among nested values have become numbers of Python."""
        self.escaped = self.on(values)

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        result = func(*args, **kwargs)
        if func is torch.ops.aten._local_scalar_dense.default and args[0].dtype != torch.bool:
            self.escape(args)  # the exporter has symbols for numbers, but refuses to branch on a truth value by itself
        reads = func.overloadpacket.__name__ not in SHAPES
        if torch.Tag.nondeterministic_seeded in func.tags or (reads and self.on((args, kwargs))):
            named = {a.name: value for a, value in zip(func._schema.arguments, args, strict=False)} | kwargs
            written = [a.name for a in func._schema.arguments if a.alias_info is not None and a.alias_info.is_write]
            changed = [result, *(named.get(name) for name in written)]
            self.marked |= {_memory(tensor) for tensor in tensors_in(changed)}
        return result


class _Recorder(TorchFunctionMode):
    """Keeps what unmarked tensors answer, by the place in the program that asks, in the order in which it asks."""

    def __init__(self, marks: _Marks) -> None:
        super().__init__()
        self.marks = marks
        self.answers: dict[Place, list[Answer | None]] = defaultdict(list)

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        result = func(*args, **kwargs)
        name, place = func.__name__, _place()
        if name in ("tolist", "numpy", "__array__"):
            self.marks.escape(args)
        if name == "tolist":  # the exporter's tensors ask each of their values instead
            known = not self.marks.on(args)
            self.answers[(*place, "item")] += [
                constant(value) if known else None for value in args[0].flatten().tolist()
            ]
        elif name in STEERED:
            self.answers[(*place, name)].append(answer_of(func, args, kwargs, result, self.marks.on))
        return result


class _Answers(TorchFunctionMode):
    """Gives the answers that a :class:`_Recorder` has kept."""

    def __init__(self, answers: dict[Place, list[Answer | None]]) -> None:
        super().__init__()
        self.answers = answers
        self.asked: Counter[Place] = Counter()

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        answer: Answer | None = None
        if func.__name__ in STEERED:
            place = (*_place(), func.__name__)
            kept, before = self.answers.get(place, []), self.asked[place]
            self.asked[place] += 1
            answer = kept[before] if before < len(kept) else None
        return (answer or func)(*args, **(kwargs or {}))


def _memory(tensor: torch.Tensor) -> StorageWeakRef:
    """The memory of a tensor, which its views share; no other equals it, even once it is freed."""
    return StorageWeakRef(tensor.untyped_storage())


def _place() -> tuple[str, int]:
    """File and line of the program, outside of PyTorch, that has called a function."""
    frame = sys._getframe(2)
    while frame.f_back is not None and frame.f_code.co_filename.startswith(TORCH):
        frame = frame.f_back
    return frame.f_code.co_filename, frame.f_lineno
