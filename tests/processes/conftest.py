"""The tests of closed forms run with every backend: one parameter, the same numbers."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
import torch

from processes.backends import Backend, backend_named, using
from processes.backends.devices import full_precision

CLOSED_FORMS = {
    f"test_{name}"
    for name in (
        "activations", "dynamic_threshold", "elementwise_product", "exact", "max_pool", "phase_code", "phase_neuron",
        "residual", "si", "spikes", "synapse", "ties", "trace_product", "winners", "woss",
    )
}  # fmt: skip
"""Modules whose tests evaluate closed forms."""

NAMES = ["numba", "torch", *(["torch on cuda", "triton on cuda"] if torch.cuda.is_available() else [])]


class Elsewhere:
    """A backend on another device, for tensors that come from the CPU and go back there."""

    def __init__(self, backend: Backend, device: str) -> None:
        self.backend, self.device = backend, device

    def __getattr__(self, name: str) -> Callable[..., Any]:
        function = getattr(self.backend, name)

        def call(*arguments: Any) -> Any:
            there = [a.to(self.device) if isinstance(a, torch.Tensor) else a for a in arguments]
            with full_precision():
                result = function(*there)
            for a, b in zip(arguments, there, strict=True):
                if isinstance(a, torch.Tensor):
                    a.copy_(b)  # what a function changes in place
            if isinstance(result, tuple):
                return tuple(r.cpu() if isinstance(r, torch.Tensor) else r for r in result)
            return result.cpu() if isinstance(result, torch.Tensor) else result

        return call


COARSE = {"base": (1.15, 2.0), "steps": (4, 40)}
"""Codes on which backends other than numba, and most activations, are tested every time; the others are exhaustive tests."""
OFTEN = ("gelu", "silu")
"""Activations that are tested on every code every time."""
MASKS = ("none", "full")
"""Masks on which backends other than numba are tested every time."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Marks what the second backend does on codes and masks that the first is tested on as well, and most activations there.

    The search for products of neurons is mostly stepped, which no backend does.
    """
    for item in items:
        given = getattr(getattr(item, "callspec", None), "params", {})
        finer = any(given.get(k, v[0]) not in v for k, v in COARSE.items())
        if finer and given.get("function", OFTEN[0]) not in OFTEN:
            item.add_marker(pytest.mark.exhaustive)
        if given.get("backend", "numba") == "torch" and (
            finer or given.get("mask", MASKS[0]) not in MASKS or item.name.startswith("test_product[")
        ):
            item.add_marker(pytest.mark.exhaustive)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if metafunc.module.__name__.rsplit(".", 1)[-1] in CLOSED_FORMS:
        metafunc.parametrize("backend", NAMES, indirect=True)


@pytest.fixture(autouse=True)
def backend(request: pytest.FixtureRequest) -> Iterator[None]:
    name, _, device = getattr(request, "param", "numba").partition(" on ")
    with using(Elsewhere(backend_named(name), device) if device else backend_named(name)):  # type: ignore[arg-type]
        yield
