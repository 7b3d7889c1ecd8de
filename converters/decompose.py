"""Operations without a handler are decomposed into those of PyTorch's core set, so that each needs no form of its own.

Operations with a spiking form (softmax, norms, attention, activations, pooling) stay whole.
"""

from __future__ import annotations

import operator
from collections.abc import Collection

import torch
from torch.export import ExportedProgram, default_decompositions

LOOKUPS = {
    "embedding", "add", "add_", "sub", "rsub", "mul", "mul_", "div", "where", "masked_fill", "masked_fill_", "zeros_like",
    "dropout", "dropout_", "clone", "contiguous", "alias", "detach", "detach_", "to", "_to_copy", "type_as", "lift_fresh_copy",
    "reshape", "view", "expand", "unsqueeze", "squeeze", "slice", "select", "index", "index_select", "permute", "transpose",
}  # fmt: skip
"""Operations that the host applies to embeddings and masks; they stay whole, so that the front end recognises them."""


def _bilinear(a: torch.Tensor, b: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor | None = None) -> torch.Tensor:
    """sum_ij w_oij a_i b_j + bias_o along the last axes, as a layer of ``a`` and products with ``b``."""
    outputs, inner, others = weight.shape
    rows = torch.matmul(a, weight.permute(1, 0, 2).reshape(inner, outputs * others))
    y = (rows.reshape(*a.shape[:-1], outputs, others) * b.unsqueeze(-2)).sum(-1)
    return y if bias is None else y + bias


def _distances(a: torch.Tensor, b: torch.Tensor, p: float = 2.0, compute_mode: int | None = None) -> torch.Tensor:
    """Norms of order p of the differences of all rows of ``a`` and ``b``, which every compute mode approximates."""
    return torch.linalg.vector_norm(a.unsqueeze(-2) - b.unsqueeze(-3), p, -1)


def _mean_slope(
    x: torch.Tensor, noise: torch.Tensor, lower: float = 1 / 8, upper: float = 1 / 3, training: bool = False, *_: object
) -> tuple[torch.Tensor, torch.Tensor]:
    """A leaky ReLU of random slopes, which out of training has their mean, and the noise."""
    if training:
        return NotImplemented
    return torch.nn.functional.leaky_relu(x, (lower + upper) / 2), noise


OWN = {
    torch.ops.aten.bilinear.default: _bilinear,
    torch.ops.aten.cdist.default: _distances,
    torch.ops.aten.rrelu_with_noise_functional.default: _mean_slope,
}
"""Decompositions of operations for which PyTorch has none into operations that have a spiking form."""


def decompose(program: ExportedProgram, known: Collection[str]) -> ExportedProgram:
    """Decompose every operation of a program that is neither ``known`` nor in ``LOOKUPS``; unchanged if there is none.

    What is written into memory that several tensors share becomes values of their own, too.

    Args:
        program: an exported model.
        known: names of aten operations, without overloads, that stay whole.
    """
    stay = LOOKUPS | set(known)
    if all(name_of(node) in stay for node in _computed(program)) and not any(map(_writes_shared, program.graph.nodes)):
        return program
    table = default_decompositions()
    table.update(OWN)
    for operation in list(table):
        if operation.name().split("::")[-1].split(".")[0] in stay:
            del table[operation]
    return program.run_decompositions(table)


def _computed(program: ExportedProgram) -> list[torch.fx.Node]:
    """Operations that depend on the model's arguments and give real or complex numbers, not integers or truth values."""
    depend = {node for node in program.graph.nodes if node.name in program.graph_signature.user_inputs}
    for node in program.graph.nodes:
        if node.op == "call_function" and any(operand in depend for operand in node.all_input_nodes):
            depend.add(node)
    values = ((node, node.meta.get("val")) for node in depend if node.op == "call_function")
    return [node for node, value in values if isinstance(value, torch.Tensor) and not _whole(value)]


def _whole(value: torch.Tensor) -> bool:
    """Whether a tensor holds integers or truth values."""
    return not value.is_floating_point() and not value.is_complex()


def _writes_shared(node: torch.fx.Node) -> bool:
    """Whether a node writes into memory that another tensor than its operand shares: the graph does not say so of that one."""
    schema = getattr(node.target, "_schema", None)
    if schema is None or not schema.is_mutable or not isinstance(operand := node.args[0], torch.fx.Node):
        return False
    return any(_is_view(other) for other in (operand, *operand.users) if other is not node)


def _is_view(node: torch.fx.Node) -> bool:
    """Whether a node's value may share the memory of its operand."""
    if node.target is operator.getitem:
        return _is_view(node.args[0])  # type: ignore[arg-type]
    schema = getattr(node.target, "_schema", None)
    shares = schema is not None and any(r.alias_info is not None and not r.alias_info.is_write for r in schema.returns)
    return shares or name_of(node) == "dropout"  # which gives what it is given


def name_of(node: torch.fx.Node) -> str:
    """Name of a node's aten operation, without its overload."""
    return str(node.target).removeprefix("aten.").split(".")[0]
