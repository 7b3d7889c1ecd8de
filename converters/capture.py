"""Capture a model as a list of operations, so that what is recognised is what it computes, not its class names.

torch.export is used rather than torch.fx: it follows Python control flow on shapes, works on transformers' models,
keeps linear, layer_norm, gelu and scaled_dot_product_attention whole, and names each operation's module.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch

from converters.decompose import decompose
from processes.errors import DeployError


@dataclass(frozen=True)
class Captured:
    """The exported graph, the tensors behind its placeholders, and the arguments (batch of one) it was exported with."""

    graph: torch.fx.Graph
    constants: dict[str, torch.Tensor]
    inputs: tuple[str, ...]
    example: tuple[torch.Tensor, ...]


def capture(model: torch.nn.Module, example: tuple[torch.Tensor, ...]) -> Captured:
    """Export ``model`` in inference mode for one sample.

    Args:
        model: any module that torch.export accepts.
        example: forward arguments with a batch of one.

    Raises:
        DeployError: the model cannot be exported; the message holds the exporter's first line.
    """
    from converters.lowering import known_operations

    try:
        with torch.no_grad():
            program = torch.export.export(model.eval(), example, strict=False)
            program = decompose(program, known_operations())
    except Exception as error:
        first = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise DeployError(f"{type(model).__name__} cannot be captured by torch.export: {first}") from error
    signature = program.graph_signature
    tensors: dict[str, Any] = {**program.state_dict, **program.constants}
    sources = {**signature.inputs_to_parameters, **signature.inputs_to_buffers}
    sources |= signature.inputs_to_lifted_tensor_constants
    constants = {place: tensors[name].detach() for place, name in sources.items()}
    return Captured(program.graph, constants, tuple(str(name) for name in signature.user_inputs), example)


def place(node: torch.fx.Node) -> str:
    """Module path of an operation ('' for the model itself)."""
    stack = node.meta.get("nn_module_stack")
    return list(stack.values())[-1][0] if stack else ""
