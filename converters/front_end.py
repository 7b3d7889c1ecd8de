"""What stays on the host: everything that follows from integer inputs alone, up to the sum of the embeddings.

A text model looks token ids up in tables, adds positions, and derives which keys take part in attention from its mask.
None of this is spiking. It is split off the captured graph as a module of its own, which turns a sample's arguments
into the spiking network's one graded input: the tensors that cross from the host to the network, side by side.
Embeddings (tokens, features) with a mask of the same tokens get one more feature, which is 1 for a token that takes
part and 0 for padding; anything else is a flat row of parts. WOSS reads which keys take part as its second operand.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch.utils._pytree import tree_leaves

from converters.captured import Captured
from converters.decompose import LOOKUPS, name_of
from converters.masks import Pattern, is_mask, kept, pattern_of, taking_part
from processes.errors import DeployError
from processes.routing import Step

Node = torch.fx.Node

FILLS = (1, 2, 0)
"""Integers put in the example's place to see how masks change: a token that takes part, another, one that may not."""


RESHAPED = {"expand", "expand_as", "view", "reshape", "unsqueeze"}
"""Operations that leave a mask a mask; those that take a shape from the network belong to it, not to the host."""


@dataclass(frozen=True)
class Part:
    """A tensor that is a part of the network's one input.

    Attributes:
        steps: the routing that takes it out of the input.
        shape: after that, with the leading 1.
        alone: whether neurons of its own code it, because other parts stand beside it.
    """

    steps: tuple[Step, ...]
    shape: tuple[int, ...]
    alone: bool = False


@dataclass(frozen=True)
class MaskPart:
    """A mask in the network: its pattern, and the input's part that says which keys take part (None if all do)."""

    pattern: Pattern
    keys: Part | None


@dataclass(frozen=True)
class ChoicePart:
    """An integer argument that picks a place, one-hot: its part (1, places) is 1 at that place and 0 elsewhere."""

    part: Part


Crossing = Part | MaskPart | ChoicePart


@dataclass(frozen=True)
class FrontEnd:
    """The host's part of a model, which computes the network's input from the model's arguments.

    Attributes:
        module: called with a batch of one; returns the graded tensors, the choices and the masks, in this order.
        arguments: names of the model's inputs that it takes, in order.
        numbers: how many graded tensors there are.
        choices: for each choice, the number of places that it picks from.
        patterns: for each mask, its pattern.
        groups: for each mask, the number of the part that says which keys take part; None if all keys always do.
        tokenwise: whether the input is (1, tokens, features), with one more feature if keys may be left out; else it is
            a flat row of all parts.
        shape: of a sample of the network's input, with the leading 1.
    """

    module: torch.fx.GraphModule
    arguments: tuple[str, ...]
    numbers: int
    choices: tuple[int, ...]
    patterns: tuple[Pattern, ...]
    groups: tuple[int | None, ...]
    tokenwise: bool
    shape: tuple[int, ...]

    @property
    def what(self) -> str:
        """What the host does, in words."""
        looks_up = any("embedding" in str(node.target) for node in self.module.graph.nodes)
        parts = ["embeddings looked up and added"] * looks_up + ["mask"] * any(g is not None for g in self.groups)
        parts += ["tokens chosen"] * bool(self.choices) + [f"{self.numbers} inputs side by side"] * (self.numbers > 1)
        return "host: " + ("; ".join(parts) or "integers")

    @torch.no_grad()
    def __call__(self, *arguments: np.ndarray | torch.Tensor) -> np.ndarray:
        """float32 (N, *input) of the model's arguments (N, ...), in the model's order.

        Raises:
            DeployError: a mask is more than its pattern and keys left out, or masks of a group leave out different
                keys.
        """
        samples = zip(*(torch.as_tensor(argument) for argument in arguments), strict=True)
        return np.concatenate([self._one([argument[None] for argument in sample]) for sample in samples])

    def _one(self, sample: list[torch.Tensor]) -> np.ndarray:
        values = self.module(*sample)
        parts = [value.float() for value in values[: self.numbers]]
        chosen, masks = values[self.numbers :][: len(self.choices)], values[self.numbers + len(self.choices) :]
        for index, places in zip(chosen, self.choices, strict=True):
            parts.append(torch.nn.functional.one_hot(index.reshape(-1).long() % places, places).float())
        parts += [keys.float() for keys in self._keys(masks)]
        if self.tokenwise:
            return torch.cat([parts[0], *(keys.reshape(1, -1, 1) for keys in parts[1:])], -1).numpy()
        return torch.cat([part.reshape(1, -1) for part in parts], -1).numpy()

    def _keys(self, masks: tuple[torch.Tensor, ...]) -> list[torch.Tensor]:
        """For each group of masks, which keys take part, bool (keys,)."""
        found: dict[int, torch.Tensor] = {}
        for pattern, group, mask in zip(self.patterns, self.groups, masks, strict=True):
            keys = pattern.keys(mask)
            shared = taking_part(pattern.allowed) if group is None else found.setdefault(group, keys)
            if not torch.equal(shared, keys):
                raise DeployError(
                    "an attention mask differs between layers, or leaves out keys where the example's never did"
                )
        return [found[group] for group in sorted(found)]


@dataclass(frozen=True)
class Split:
    """Which nodes of a captured graph stay on the host, and which nodes' values enter the network in its input.

    Attributes:
        host: nodes that follow from integer inputs alone.
        crossing: what each node whose value crosses from the host is in the network's input; empty if the model's one
            input is the network's.
        front: the host's part; None if there is none.
    """

    host: frozenset[Node]
    crossing: Mapping[Node, Crossing]
    front: FrontEnd | None


def split(captured: Captured) -> Split:
    """Split a captured graph into a host's part and a network's, where integers have become embeddings.

    Raises:
        DeployError: no graded tensor enters the network, an integer enters it other than as an index, or a mask is no
            constant pattern with keys left out.
    """
    nodes = list(captured.graph.nodes)
    inputs = [n for n in nodes if n.op == "placeholder" and n.name in captured.inputs]
    host = {n for n in inputs if not n.meta["val"].is_floating_point()}
    graded = [n for n in inputs if n not in host and n.users]
    depends = set(inputs)
    for node in nodes:
        operands = node.all_input_nodes
        if node.op == "call_function" and any(o in depends for o in operands):
            depends.add(node)
            if all(o in host for o in operands if o in depends) and _is_lookup(node):
                host.add(node)
    frontier = [n for n in nodes if n in host and any(u in depends - host or u.op == "output" for u in n.users)]
    frontier = [n for n in frontier if isinstance(n.meta.get("val"), torch.Tensor)]
    if not frontier and len(inputs) == 1:
        return Split(frozenset(host), {}, None)
    values = _tried(captured, _module(captured, inputs, frontier))
    masks = {n: [each[i] for each in values] for i, n in enumerate(frontier) if is_mask([each[i] for each in values])}
    choices = {n: _places(n, host) for n in frontier if n not in masks and not n.meta["val"].is_floating_point()}
    numbers = [n for n in frontier if n not in masks and n not in choices] + graded
    if not numbers:
        raise DeployError("no numbers enter the spiking network, of the host only masks do")
    patterns = [pattern_of(each, _fills(n)) for n, each in masks.items()]
    groups, lengths = _groups(patterns, list(masks.values()))
    shapes = [tuple(n.meta["val"].shape) for n in numbers]
    tokenwise = len(numbers) == 1 and not choices and (not lengths or (len(shapes[0]), lengths) == (3, [shapes[0][1]]))
    if tokenwise:
        parts = _features(shapes[0], bool(lengths))
        shape = (*shapes[0][:-1], shapes[0][-1] + 1) if lengths else shapes[0]
    else:
        whole = [*shapes, *((1, n) for n in choices.values()), *((1, 1, 1, n) for n in lengths)]
        parts, shape = _row(whole), (1, sum(map(math.prod, whole)))
    front = FrontEnd(
        _module(captured, inputs, [*numbers, *choices, *masks]), captured.inputs, len(numbers), tuple(choices.values()),
        tuple(patterns), tuple(groups), tokenwise, shape,
    )  # fmt: skip
    crossing: dict[Node, Crossing] = dict(zip(numbers, parts, strict=False))
    crossing |= {n: ChoicePart(part) for n, part in zip(choices, parts[len(numbers) :], strict=False)}
    keys = parts[len(numbers) + len(choices) :]
    for node, pattern, group in zip(masks, patterns, groups, strict=True):
        crossing[node] = MaskPart(pattern, None if group is None else keys[group])
    return Split(frozenset(host), crossing, front)


def _features(shape: tuple[int, ...], masked: bool) -> list[Part]:
    """The parts of a tokenwise input: the graded tensor and, if ``masked``, the last feature, (1, 1, 1, tokens)."""
    if not masked:
        return [Part((), shape)]
    _, tokens, features = shape
    keys = (("slice", [2, features, features + 1, 1]), ("reshape", [1, 1, 1, tokens]))
    return [Part((("slice", [2, 0, features, 1]),), shape), Part(keys, (1, 1, 1, tokens))]


def _row(shapes: list[tuple[int, ...]]) -> list[Part]:
    """The parts of a flat row in which tensors of these shapes stand one after another."""
    ends = np.cumsum([0, *(math.prod(shape) for shape in shapes)])
    return [
        Part((("slice", [1, int(start), int(start) + math.prod(shape), 1]), ("reshape", list(shape))), shape, True)
        for start, shape in zip(ends[:-1], shapes, strict=True)
    ]


def _groups(patterns: list[Pattern], masks: list[list[torch.Tensor]]) -> tuple[list[int | None], list[int]]:
    """The group of each mask, whose masks always leave out the same keys; and how many keys each group has.

    The group is None for a mask that has never left out a key that its pattern reaches.
    """
    groups: list[int | None] = []
    known: list[list[torch.Tensor]] = []
    for pattern, values in zip(patterns, masks, strict=True):
        keys = [taking_part(kept(value, pattern.fills)) for value in values]
        same = [i for i, each in enumerate(known) if all(map(torch.equal, each, keys))]
        if all(torch.equal(each, taking_part(pattern.allowed)) for each in keys):
            groups.append(None)
            continue
        if not same:
            known.append(keys)
        groups.append(same[0] if same else len(known) - 1)
    return groups, [len(each[0]) for each in known]


def _tried(captured: Captured, module: torch.fx.GraphModule) -> list[tuple[torch.Tensor, ...]]:
    """What ``module`` gives for the example, and with ``FILLS`` in place of each integer argument and of all."""
    whole = [i for i, argument in enumerate(captured.example) if not argument.is_floating_point()]
    with torch.no_grad():
        found = [module(*captured.example)]
        for places in [whole, *([i] for i in whole if len(whole) > 1)]:
            for fill in FILLS:
                arguments = [torch.full_like(a, fill) if i in places else a for i, a in enumerate(captured.example)]
                try:
                    found.append(module(*arguments))
                except (IndexError, RuntimeError):  # a table without that row
                    continue
    return found


def _fills(mask: Node) -> bool:
    """Whether a boolean mask is True where a constant replaces logits, rather than where they stay."""

    def fills(user: Node) -> bool:
        name = name_of(user)
        if name in RESHAPED:
            return any(fills(reader) for reader in user.users)
        constant = len(user.args) > 1 and not (isinstance(user.args[1], Node) and _computed(user.args[1]))
        return name.startswith("masked_fill") or (name == "where" and constant)

    return mask.meta["val"].dtype == torch.bool and any(fills(user) for user in mask.users)


def _computed(node: Node) -> bool:
    """Whether a node's value is, or is computed from, a placeholder."""
    return node.op == "placeholder" or any(_computed(o) for o in node.all_input_nodes)


def _places(choice: Node, host: set[Node]) -> int:
    """How many places an integer chooses from: the length of the axis that it is an index of.

    Raises:
        DeployError: it is used for something else.
    """
    for user in choice.users:
        if user in host:
            continue
        source, indices = user.args[:2] if name_of(user) == "index" else (None, ())
        if isinstance(source, Node) and isinstance(indices, (list, tuple)) and choice in indices:
            return int(source.meta["val"].shape[indices.index(choice)])
    used = ", ".join(sorted({name_of(user) for user in choice.users if user not in host}))
    raise DeployError(
        f"integers of the input ({choice.name}) enter the spiking network, in {used}; only as an index can they"
    )


def _is_lookup(node: Node) -> bool:
    """Whether a node that follows from integers stays on the host: it gives integers, or looks numbers up."""
    tensors = (leaf for leaf in tree_leaves(node.meta.get("val")) if isinstance(leaf, torch.Tensor))
    return name_of(node) in LOOKUPS or not any(tensor.is_floating_point() for tensor in tensors)


def _module(captured: Captured, inputs: list[Node], outputs: list[Node]) -> torch.fx.GraphModule:
    """The part of the graph that computes ``outputs``; parameters become buffers."""
    needed, stack = set(outputs), list(outputs)
    while stack:
        fresh = [o for o in stack.pop().all_input_nodes if o not in needed]
        needed.update(fresh)
        stack += fresh
    graph, root = torch.fx.Graph(), torch.nn.Module()
    copies: dict[Node, Any] = {}
    for node in captured.graph.nodes:
        if node in inputs:
            copies[node] = graph.placeholder(node.name)
        elif node in needed and node.op == "placeholder":
            root.register_buffer(node.name, captured.constants[node.name])
            copies[node] = graph.get_attr(node.name)
        elif node in needed:
            copies[node] = graph.node_copy(node, lambda n: copies[n])
    graph.output(tuple(copies[node] for node in outputs))
    return torch.fx.GraphModule(root, graph)
