"""A captured model: what torch.export found, before anything is lowered."""

from __future__ import annotations

from dataclasses import dataclass

import torch


@dataclass(frozen=True)
class Captured:
    """A model exported by torch.export.

    Attributes:
        graph: its operations.
        constants: the tensors behind its placeholders, by the placeholder's name.
        inputs: names of the placeholders that are arguments of the model.
        example: the arguments, with a batch of one, that it was exported with.
    """

    graph: torch.fx.Graph
    constants: dict[str, torch.Tensor]
    inputs: tuple[str, ...]
    example: tuple[torch.Tensor, ...]


def place(node: torch.fx.Node) -> str:
    """The path of the module that the operation belongs to ('' for the model itself)."""
    stack = node.meta.get("nn_module_stack")
    return list(stack.values())[-1][0] if stack else ""
