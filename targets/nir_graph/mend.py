"""Repairs graphs whose shapes or edges do not fit together, where only one reading of them makes sense.

Exporters put batch and time axes into shapes, count Flatten's axes with a batch axis, or leave an Input in the middle.
A repair is tried on a copy, and kept only if shapes can be inferred for more of the graph's nodes with it than without.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, cast

import nir
import numpy as np

from evaluator.nir_versions import Repair
from processes.errors import Refusal
from targets.nir_graph.cycles import Edge, find_sources
from targets.nir_graph.ends import copied, did, mend_edges, mend_structure
from targets.nir_graph.kinds import KNOWN, NEURONS, NUMBERS
from targets.nir_graph.plan import flatten
from targets.nir_graph.shapes import find_shapes
from targets.nir_graph.windows import integers, written

DROPPED = 2
"""Most axes in front of a sample's own that a repair removes: batch and time."""


def mend(graph: nir.NIRGraph, dt: float, *, harmless: bool = True) -> tuple[nir.NIRGraph, list[Repair]]:
    """Return a repaired copy of ``graph``, as far as it can be repaired, and the list of repairs.

    Args:
        dt: time step, which decides where cycles are cut.
        harmless: make harmless repairs only; False also removes doubled edges, which could be meant to add up.
    """
    graph = copied(graph)
    repairs = mend_structure(graph)
    if not harmless:
        repairs += mend_edges(graph)
    state = _Shapes.of(graph, dt)
    while state.complete is False:
        for change in _readable(_changes(state)):
            tried = copied(graph)
            after = _Shapes.of(tried, dt, change.apply)
            if after.complete or len(after.shapes) > len(state.shapes):
                graph, state = tried, after
                repairs.append(change.repair)
                break
        else:
            return graph, repairs
    if state.complete:
        for change in _readable(_inputs_with_axes(state)):
            tried = copied(graph)
            if (after := _Shapes.of(tried, dt, change.apply)).complete:
                graph, state = tried, after
                repairs.append(change.repair)
    return graph, repairs


def declare(graph: nir.NIRGraph, dt: float) -> tuple[nir.NIRGraph, list[Repair]]:
    """Return a copy whose nodes declare their shapes, so that nir's type check of files passes, and the changes."""
    graph = copied(graph)
    state = _Shapes.of(graph, dt)
    repairs: list[Repair] = []
    for name, node in state.nodes.items():
        if not state.complete or not state.sources[name]:
            continue
        reads, any_node = state.reads(name), cast(Any, node)
        fields = (
            [f for f in NUMBERS[type(node)] if np.shape(getattr(node, f)) != reads] if isinstance(node, NEURONS) else []
        )
        for field in fields:
            setattr(node, field, np.broadcast_to(getattr(node, field), reads).copy())
        if fields:
            repairs.append(did(name, node, f"{', '.join(fields)} written for each of {written(reads)} neurons"))
        if isinstance(node, nir.Output) and node.output_type["output"] is None:
            node.output_type = {"output": np.array(reads)}
            repairs.append(did(name, node, f"declares {written(reads)} now"))
        if isinstance(node, nir.Flatten) and node.input_type["input"] is None:
            node.input_type = {"input": np.array(reads)}
            repairs.append(did(name, node, f"declares to read {written(reads)} now"))
        if isinstance(node, nir.Conv1d | nir.Conv2d) and any_node.input_shape is None:
            any_node.input_shape = reads[1] if isinstance(node, nir.Conv1d) else np.array(reads[1:])
            repairs.append(did(name, node, f"declares input_shape {written(reads[1:])} now"))
        if isinstance(node, (*NEURONS, nir.Flatten, nir.Conv1d, nir.Conv2d)):
            any_node.__post_init__()  # nir derives a node's types only in its constructor
    return graph, repairs


@dataclass(frozen=True)
class _Change:
    """A repair, and the function that applies it to the flattened nodes of a copied graph."""

    repair: Repair
    apply: Callable[[dict[str, nir.NIRNode]], None]


@dataclass
class _Shapes:
    """A flattened graph and its inferred shapes; ``stuck`` is the node that failed, ``complete`` None if not tried."""

    nodes: dict[str, nir.NIRNode]
    sources: dict[str, list[Edge]]
    shapes: dict[str, tuple[int, ...]]
    stuck: str | None
    complete: bool | None

    @classmethod
    def of(
        cls, graph: nir.NIRGraph, dt: float, change: Callable[[dict[str, nir.NIRNode]], None] | None = None
    ) -> _Shapes:
        refusals: list[Refusal] = []
        nodes, edges = flatten(graph, refusals)
        if change is not None:
            change(nodes)
        if refusals or len(set(edges)) < len(edges) or not all(isinstance(node, KNOWN) for node in nodes.values()):
            return cls(nodes, {}, {}, None, None)
        # find_sources replaces shortened Delays in the dict that it is given, hence a copy
        sources = find_sources(dict(nodes), edges, dt, refusals)
        if refusals:
            return cls(nodes, sources, {}, None, None)
        shapes = find_shapes(nodes, sources, refusals)
        stuck = refusals[0].node if refusals else None
        return cls(nodes, sources, shapes, stuck, not refusals)

    def reads(self, name: str) -> tuple[int, ...]:
        """Shape of a node's input; () if none of its sources has a known shape."""
        return next((self.shapes[edge.source] for edge in self.sources[name] if edge.source in self.shapes), ())

    def behind(self, name: str) -> list[str]:
        """All nodes from which a node can be reached, the nearest first."""
        found: list[str] = []
        waiting = [edge.source for edge in self.sources[name]]
        while waiting:
            source = waiting.pop(0)
            if source not in found:
                found.append(source)
                waiting += [edge.source for edge in self.sources[source]]
        return found


def _readable(changes: Iterator[_Change]) -> Iterator[_Change]:
    """The changes, ending without an error at a node with fields of wrong types, which refusals name later."""
    try:
        yield from changes
    except (ValueError, TypeError, IndexError, AttributeError):
        return


def _changes(state: _Shapes) -> Iterator[_Change]:
    """Changes that may help at the first node without a shape, the smallest change first."""
    name = state.stuck
    if name is None:
        return
    node, reads = state.nodes[name], state.reads(name)
    if isinstance(node, nir.Output):
        yield from _output(name, node, reads)
    if isinstance(node, nir.Flatten):
        yield from _flatten_declared(name, node, reads)
    if isinstance(node, nir.Conv1d | nir.Conv2d) and node.input_shape is not None:
        declared = written(tuple(np.atleast_1d(node.input_shape)))
        yield _set(name, node, f"input_shape {declared} left out: it reads {written(reads)}", input_shape=None)
    if isinstance(node, NEURONS):
        yield from _parameters(name, node, reads)
    for other in [name, *state.behind(name)]:
        if isinstance(flat := state.nodes[other], nir.Flatten):
            yield from _flatten_axes(other, flat)
    for other in state.behind(name):
        if isinstance(entry := state.nodes[other], nir.Input):
            yield from _input(other, entry, any_value=isinstance(node, nir.Conv1d | nir.Conv2d))


def _output(name: str, node: nir.Output, reads: tuple[int, ...]) -> Iterator[_Change]:
    declared = _declared(node.output_type["output"])
    for axes in range(1, DROPPED + 1):
        if declared is not None and declared[axes:] == reads:
            what = f"declared {written(declared)}, batch or time axes in front; now {written(reads)}"
            yield _set(name, node, what, output_type={"output": np.array(reads)}, input_type={"input": np.array(reads)})


def _input(name: str, node: nir.Input, *, any_value: bool) -> Iterator[_Change]:
    declared = _declared(node.input_type["input"])
    for axes in range(1, DROPPED + 1):
        if declared is not None and len(declared) > axes and (any_value or set(declared[:axes]) == {1}):
            kept = np.array(declared[axes:])
            what = f"declared {written(declared)}, batch or time axes in front; now {written(declared[axes:])}"
            yield _set(name, node, what, input_type={"input": kept}, output_type={"output": kept})


def _flatten_declared(name: str, node: nir.Flatten, reads: tuple[int, ...]) -> Iterator[_Change]:
    """Changes of a Flatten that declares batch or time axes and counts with them, or declares zeros, as sinabs does."""
    declared = _declared(node.input_type["input"])
    if declared is None:
        return
    kept = {"input_type": {"input": np.array(reads)}}
    if not any(declared):
        yield _set(name, node, f"declared {written(declared)}, which says nothing; reads {written(reads)}", **kept)
    for axes in range(1, DROPPED + 1):
        if declared[axes:] == reads:
            first, last = _axes(node)
            moved = {
                "start_dim": max(first - axes, 0) if first >= 0 else first,
                "end_dim": last - axes if last >= axes else last,
            }
            what = f"declared {written(declared)}, batch or time axes in front; now {written(reads)}"
            yield _set(name, node, what, **kept, **moved)


def _flatten_axes(name: str, node: nir.Flatten) -> Iterator[_Change]:
    """The change of a Flatten whose axes are counted with a batch axis that the shapes do not have."""
    first, last = _axes(node)
    if first >= 1:
        what = f"start_dim {first} counted a batch axis; now {first - 1}, from the sample's own axes"
        yield _set(name, node, what, start_dim=first - 1, end_dim=last - 1 if last > 0 else last)


def _parameters(name: str, node: Any, reads: tuple[int, ...]) -> Iterator[_Change]:
    """The change of neurons whose parameters have a batch axis in front, along which they are equal."""
    changed: dict[str, Any] = {}
    for field in NUMBERS[type(node)]:
        value = np.asarray(getattr(node, field))
        while value.ndim > len(reads) and value.shape[0] and (value == value[:1]).all():
            value = value[0]
        if value.shape != np.shape(getattr(node, field)):
            changed[field] = value
    if changed:
        yield _set(
            name, node, f"{', '.join(changed)} had a batch axis in front, along which nothing changes", **changed
        )


def _inputs_with_axes(state: _Shapes) -> Iterator[_Change]:
    """Changes of Inputs with leading axes of 1 that their readers do not declare, which fails nir's type check."""
    for name, node in state.nodes.items():
        declared = (
            _declared(node.input_type["input"]) if isinstance(node, nir.Input) and not state.sources[name] else None
        )
        if not declared or len(declared) < 2 or declared[0] != 1:
            continue
        readers = [n for n, edges in state.sources.items() if name in {edge.source for edge in edges}]
        wanted = {_declared(next(iter((state.nodes[n].input_type or {"": None}).values()))) for n in readers}
        if len(wanted) == 1 and wanted & {declared[axes:] for axes in range(1, DROPPED + 1)} - {()}:
            yield from (c for c in _input(name, cast(Any, node), any_value=False) if _leads_to(c, wanted))


def _leads_to(change: _Change, wanted: set[tuple[int, ...] | None]) -> bool:
    probe: Any = nir.Input({"input": np.zeros(1)})
    change.apply({change.repair.node: probe})
    return _declared(probe.input_type["input"]) in wanted


def _set(name: str, node: nir.NIRNode, what: str, **fields: Any) -> _Change:
    def apply(nodes: dict[str, nir.NIRNode]) -> None:
        for field, value in fields.items():
            setattr(nodes[name], field, value)

    return _Change(did(name, node, what), apply)


def _axes(node: nir.Flatten) -> tuple[int, int]:
    return int(np.asarray(node.start_dim).item()), int(np.asarray(node.end_dim).item())


def _declared(shape: Any) -> tuple[int, ...] | None:
    """A declared shape as a tuple; None if none is declared, or the value cannot be a shape."""
    try:
        return None if shape is None else integers(shape, "shape")
    except ValueError:
        return None
