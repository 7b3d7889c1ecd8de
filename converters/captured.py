"""A captured model: what torch.export found, before anything is lowered."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch.export import ExportedProgram


@dataclass(frozen=True)
class Captured:
    """A model exported by torch.export.

    Attributes:
        graph: its aten operations.
        constants: parameters, buffers and constants, by the name of the placeholder that stands for each in the graph.
        inputs: names of the placeholders that are arguments of the model, in the order of the arguments.
        example: the arguments, with a batch of one, that the model was exported with.
    """

    graph: torch.fx.Graph
    constants: dict[str, torch.Tensor]
    inputs: tuple[str, ...]
    example: tuple[torch.Tensor, ...]


def constants_of(program: ExportedProgram) -> dict[str, torch.Tensor]:
    """The tensors behind an exported program's placeholders (parameters, buffers, constants), by the placeholder's name."""
    signature = program.graph_signature
    tensors: dict[str, Any] = {**program.state_dict, **program.constants}
    sources = {**signature.inputs_to_parameters, **signature.inputs_to_buffers}
    sources |= signature.inputs_to_lifted_tensor_constants
    return {node: tensors[name].detach() for node, name in sources.items()}


def place(node: torch.fx.Node) -> str:
    """The path of the module that the operation belongs to ('' for the model itself)."""
    stack = node.meta.get("nn_module_stack")
    return list(stack.values())[-1][0] if stack else ""
