"""Which NIR nodes other simulators and chips can import, and what they require of a node's parameters.

The kinds of nodes are from NIR's own table of supported primitives (neuroir.org), or from the importer itself for tools
that this package exports to. An entry says what stops the import. A graph that imports may still compute other values,
as each tool has its own time step and reset.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import nir
import numpy as np

from processes.errors import Refusal

Rule = Callable[[str, Any], str | None]
"""(kind, node) -> why the node cannot be imported, or None."""


@dataclass(frozen=True)
class Importer:
    """A tool that reads NIR.

    Attributes:
        kinds: names of the node types that it reads, beside Input and Output.
        rules: further requirements of a node's parameters.
        remark: what may differ in a graph that imports.
    """

    kinds: frozenset[str]
    rules: tuple[Rule, ...] = ()
    remark: str = ""

    def stops(self, nodes: Mapping[str, nir.NIRNode]) -> list[Refusal]:
        """Every node at which the import fails, with the reasons."""
        found: list[Refusal] = []
        for name, node in nodes.items():
            kind = type(node).__name__
            if kind not in self.kinds | {"Input", "Output"}:
                found.append(Refusal(name, kind, "a kind of node that it does not read"))
                continue
            found += [Refusal(name, kind, reason) for rule in self.rules if (reason := rule(kind, node)) is not None]
        return found


def _is(kinds: Iterable[str], field: str, wanted: float) -> Rule:
    """Rule: nodes of ``kinds`` need the value ``wanted`` in a field."""

    def rule(kind: str, node: Any) -> str | None:
        value = np.asarray(getattr(node, field)) if kind in kinds else np.full(1, wanted)
        return (
            None
            if np.allclose(value, wanted)
            else f"needs {field} = {wanted:g}; it reaches {_extreme(value, wanted):g}"
        )

    return rule


def _same(*fields: str) -> Rule:
    """Rule: each of the fields has one value for all neurons of a node."""

    def rule(kind: str, node: Any) -> str | None:
        several = [f for f in fields if hasattr(node, f) and np.unique(np.asarray(getattr(node, f))).size > 1]
        return f"needs one {several[0]} for all neurons of a node" if several else None

    return rule


def _snntorch_current(kind: str, node: Any) -> str | None:
    fits = kind != "CubaLIF" or np.allclose(node.r, np.asarray(node.tau_mem) / 1e-4)
    return None if fits else "needs r = tau_mem / 1e-4"


def _leak_is_reset(kind: str, node: Any) -> str | None:
    return None if kind != "LIF" or np.allclose(node.v_leak, node.v_reset) else "needs v_leak = v_reset"


def _extreme(value: np.ndarray, wanted: float) -> float:
    """The value that differs most from ``wanted``."""
    flat = np.asarray(value, np.float64).reshape(-1)
    return float(flat[np.abs(flat - wanted).argmax()])


def _kinds(text: str) -> frozenset[str]:
    return frozenset(text.split())


IMPORTERS: dict[str, Importer] = {
    "snntorch": Importer(
        _kinds("Affine Linear Conv2d Flatten AvgPool2d IF LIF CubaLIF"),
        (_is(("LIF", "CubaLIF"), "v_leak", 0), _is(("IF",), "r", 1), _same("v_threshold"), _snntorch_current),
        "dt = 1e-4; IF leaks there (beta 0.9)",
    ),
    "norse": Importer(
        _kinds("Affine Linear Conv2d Flatten SumPool2d IF LIF CubaLIF"),
        (),
        "dt = 1e-3 if nothing is said; r taken as 1",
    ),
    "sinabs": Importer(
        _kinds("Affine Conv1d Conv2d Flatten SumPool2d AvgPool2d IF LI LIF"),
        (_is(("LI", "LIF"), "v_leak", 0), _is(("LI",), "r", 1)),
        "tau counts steps; resets subtract; r ignored",
    ),
    "spikingjelly": Importer(
        _kinds("Affine Linear Conv2d Flatten AvgPool2d IF LIF"),
        (_same("tau", "r", "v_threshold", "v_reset", "v_leak"), _is(("IF",), "r", 1e4), _leak_is_reset),
        "dt = 1e-4 if nothing is said",
    ),
    "rockpool": Importer(_kinds("Affine Linear LI LIF CubaLIF")),
    "lava-dl": Importer(_kinds("Affine Linear Conv2d Flatten SumPool2d IF LIF CubaLIF")),
    "nengo": Importer(_kinds("Affine LI LIF")),
    "spyx": Importer(_kinds("Affine Linear Conv2d Flatten SumPool2d IF LIF CubaLIF")),
    "hxtorch (BrainScaleS-2)": Importer(_kinds("Linear CubaLI CubaLIF")),
    "jaxsnn (BrainScaleS-2)": Importer(_kinds("Linear CubaLIF")),
    "py-spinnaker2": Importer(_kinds("Affine Linear Conv1d Conv2d Flatten SumPool2d IF LIF CubaLIF")),
}
"""Importers by name of the tool; `make interop` runs the first four."""
