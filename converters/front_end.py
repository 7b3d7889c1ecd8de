"""What stays on the host: everything that follows from integer inputs alone, up to the sum of the embeddings.

A text model looks token ids up in tables, adds positions, and derives which keys take part in attention from its mask.
None of it is neural. It is split off the captured graph as a module of its own, which turns a sample's integers into
the spiking network's one graded input (tokens, features) and, where there is a mask, one feature more that is 1 for
a token that takes part and 0 for padding. WOSS takes that feature as its second operand.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from converters.captured import Captured
from converters.decompose import LOOKUPS, name_of
from processes.errors import DeployError

Node = torch.fx.Node

MASKED = -1e3  # attention masks are written as large negative numbers; below this a key takes no part


@dataclass(frozen=True)
class FrontEnd:
    """Token ids and masks to the network's input.

    Attributes:
        module: called with a batch of one; returns the summed embeddings (1, tokens, features) and every mask used.
        arguments: names of the model's inputs that it takes, in order.
        features: width of the embeddings.
        masked: whether the input has one more feature, which says who takes part.
    """

    module: torch.fx.GraphModule
    arguments: tuple[str, ...]
    features: int
    masked: bool

    @property
    def what(self) -> str:
        """What it does, in words."""
        looks_up = any("embedding" in str(node.target) for node in self.module.graph.nodes)
        parts = ["embeddings looked up and added"] * looks_up + ["mask"] * self.masked
        return "host: " + "; ".join(parts)

    @torch.no_grad()
    def __call__(self, *arguments: np.ndarray | torch.Tensor) -> np.ndarray:
        """float32 (N, tokens, features [+ 1]) of the model's arguments (N, ...), in the model's order.

        Raises:
            DeployError: a mask differs between rows, heads or layers.
        """
        samples = zip(*(torch.as_tensor(argument) for argument in arguments), strict=True)
        return np.concatenate([self._one([argument[None] for argument in sample]) for sample in samples])

    def _one(self, sample: list[torch.Tensor]) -> np.ndarray:
        embeddings, *masks = self.module(*sample)
        parts = [embeddings.float()]
        if self.masked:
            keys = [keys_of(mask) for mask in masks]
            if any(key is None or not torch.equal(key, keys[0]) for key in keys):  # type: ignore[arg-type]
                raise DeployError("an attention mask differs between rows, heads or layers; only keys can be masked")
            parts.append(keys[0].float().reshape(1, -1, 1))  # type: ignore[union-attr]
        return torch.cat(parts, -1).numpy()


@dataclass(frozen=True)
class Split:
    """Which nodes stay on the host, and what the network's input stands for.

    Attributes:
        host: nodes that follow from integer inputs alone.
        embeddings: the node that the graded input replaces; None if the model's own input is graded.
        masks: nodes that the mask feature replaces.
        front: the module of the host's part, None if there is none.
    """

    host: frozenset[Node]
    embeddings: Node | None
    masks: frozenset[Node]
    front: FrontEnd | None


def keys_of(mask: torch.Tensor) -> torch.Tensor | None:
    """Which keys take part (bool, (keys,)) of a boolean or additive mask; None if its rows differ."""
    keep = mask if mask.dtype == torch.bool else mask > MASKED
    rows = keep.reshape(-1, keep.shape[-1])
    return rows[0] if bool((rows == rows[0]).all()) else None


def split(captured: Captured) -> Split:
    """Split a captured graph where integers have become embeddings.

    Raises:
        DeployError: more than one tensor of numbers crosses from the host to the network.
    """
    nodes = list(captured.graph.nodes)
    inputs = [n for n in nodes if n.op == "placeholder" and n.name in captured.inputs]
    host = {n for n in inputs if not n.meta["val"].is_floating_point()}
    graded = [n for n in inputs if n not in host]
    depends = set(inputs)
    for node in nodes:
        operands = node.all_input_nodes
        if node.op == "call_function" and any(o in depends for o in operands):
            depends.add(node)
            if all(o in host for o in operands if o in depends) and _is_lookup(node):
                host.add(node)
    frontier = [
        n for n in nodes if n in host and any(user in depends - host or user.op == "output" for user in n.users)
    ]
    frontier = [n for n in frontier if isinstance(n.meta.get("val"), torch.Tensor)]
    if not frontier:
        return Split(frozenset(host), None, frozenset(), None)
    module = _module(captured, inputs, frontier)
    with torch.no_grad():
        values = module(*captured.example)
    masks = [n for n, value in zip(frontier, values, strict=True) if _is_mask(value)]
    numbers = [n for n in frontier if n not in masks] + graded
    if len(numbers) != 1 or numbers[0].meta["val"].ndim != 3:
        found = ", ".join(n.name for n in numbers) or "nothing"
        raise DeployError(f"one tensor (1, tokens, features) has to enter the spiking network, here it is {found}")
    front = FrontEnd(
        _module(captured, inputs, [*numbers, *masks]), captured.inputs, numbers[0].meta["val"].shape[-1], bool(masks)
    )
    return Split(frozenset(host), numbers[0], frozenset(masks), front)


def _is_lookup(node: Node) -> bool:
    value = node.meta.get("val")
    numbers = isinstance(value, torch.Tensor) and value.is_floating_point()
    return not numbers or name_of(node) in LOOKUPS


def _is_mask(value: torch.Tensor) -> bool:
    return value.dtype == torch.bool or bool(((value == 0) | (value < MASKED)).all())


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
