"""Capture a model as a list of operations, so that what is recognised is what it computes, not its class names.

torch.export is used rather than torch.fx: it follows Python control flow on shapes, works on transformers' models,
keeps linear, layer_norm, gelu and scaled_dot_product_attention whole, and names each operation's module.
"""

from __future__ import annotations

import contextlib
import io
import logging
from collections.abc import Iterator
from typing import Any

import torch
from torch.export import ExportedProgram
from torch.fx.node import map_aggregate
from torch.utils._pytree import tree_leaves

from converters.captured import Captured, constants_of, place
from converters.decompose import decompose, name_of
from converters.experts import dense_experts
from converters.lowering import known_operations
from converters.steering import told
from processes.errors import DeployError

TRACED = 1e-3
"""Largest difference between the outputs of the exported graph and of the model, over the largest output.

Both compute in the model's own precision, float32 for most."""


HALVES = {torch.float16: torch.float32, torch.bfloat16: torch.float32}
"""Types to which a graph rounds, and those that it keeps instead: a network has no half precision."""
ROUNDED = 0.1
"""As ``TRACED``, for models that round to half precision on the way."""


DRAWS = 8
"""Comparisons with a graph that draws random numbers: a choice of one of four patches is the same by chance once in four."""


@contextlib.contextmanager
def _silent() -> Iterator[None]:
    """Silence PyTorch's exporter: it logs each error that it raises with a traceback, and prints the graph it had so far."""
    before = logging.root.manager.disable
    logging.disable(logging.CRITICAL)
    try:
        with contextlib.redirect_stderr(io.StringIO()):
            yield
    finally:
        logging.disable(before)


def capture(model: torch.nn.Module, example: tuple[torch.Tensor, ...]) -> Captured:
    """Export ``model`` in inference mode for one sample, and check that the exported graph computes the same.

    Where the model rounds to half precision (autocast), the graph keeps single precision.

    Args:
        model: any module that torch.export accepts; it is put in evaluation mode.
        example: forward arguments with a batch of one.

    Raises:
        DeployError: the model cannot be exported (the message holds the exporter's first line), a shape depends on the
            input's values, or the graph's outputs differ from the model's.
    """
    try:
        return _captured(model, example, contextlib.nullcontext())
    except DeployError:
        return _captured(model, example, told(model, example))


def _captured(
    model: torch.nn.Module, example: tuple[torch.Tensor, ...], context: contextlib.AbstractContextManager[None]
) -> Captured:
    """The graph of a model that is exported in a context, checked outside of it."""
    with context:
        program = _exported(model, example)
    for node in program.graph.find_nodes(op="call_function", target=torch.ops.aten._assert_tensor_metadata.default):
        program.graph.erase_node(node)  # the exporter's own checks of types, which compute nothing
    traced = ROUNDED if _in_single_precision(program.graph) else TRACED
    captured = Captured(
        program.graph, constants_of(program), tuple(str(name) for name in program.graph_signature.user_inputs), example
    )
    _check(model, captured, traced)
    return captured


def _exported(model: torch.nn.Module, example: tuple[torch.Tensor, ...]) -> ExportedProgram:
    """The exported program of a model in evaluation mode, with operations that are known here, or why there is none."""
    name = type(model).__name__
    try:
        with torch.no_grad(), _silent(), dense_experts(model):
            program = decompose(torch.export.export(model.eval(), example, strict=False), known_operations())
    except Exception as error:
        first = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        if "data-dependent" in first:
            raise DeployError(
                f"{name} cannot be captured, it branches on the values of its input ({first}): each branch is another network; "
                "give its masks as arguments, or wrap the part that is to be converted"
            ) from error
        raise DeployError(f"{name} cannot be captured by torch.export: {first}") from error
    for node in program.graph.nodes:
        value = node.meta.get("val")
        if isinstance(value, torch.Tensor) and not all(isinstance(size, int) for size in value.shape):
            raise DeployError(
                f"{name}: the shape of what `{node.target}` gives at '{place(node)}' depends on the input's values; a network "
                "has neurons for one shape"
            )
    return program


def _in_single_precision(graph: torch.fx.Graph) -> bool:
    """Let a graph's operations keep single precision where they would make half; returns whether any would."""

    def kept(argument: Any) -> Any:
        return HALVES.get(argument, argument) if isinstance(argument, torch.dtype) else argument

    halved = False
    for node in graph.nodes:
        args, kwargs = map_aggregate((node.args, node.kwargs), kept)  # type: ignore[misc]
        if (args, kwargs) != (node.args, node.kwargs):
            node.args, node.kwargs, halved = args, kwargs, True
    return halved


@torch.no_grad()
def _check(model: torch.nn.Module, captured: Captured, limit: float) -> None:
    """Compare the exported graph with the model on the example, as some models behave otherwise while they are traced.

    Where the graph draws random numbers, ``DRAWS`` comparisons tell whether the outputs depend on them.

    Raises:
        DeployError: the model gives no values, or the first outputs of the two differ by more than ``limit`` of the largest.
    """
    own = tree_leaves(model(*captured.example))[0]
    if not own.numel():
        raise DeployError(
            f"{type(model).__name__} gives no values at all, a tensor of {tuple(own.shape)}, for samples of "
            f"{tuple(captured.example[0].shape[1:])}; give larger samples"
        )
    given = {**captured.constants, **dict(zip(captured.inputs, captured.example, strict=True))}
    places = [node.name for node in captured.graph.nodes if node.op == "placeholder"]
    runner = torch.fx.Interpreter(torch.fx.GraphModule(torch.nn.Module(), captured.graph))
    apart = 0.0
    for _ in range(DRAWS if any(map(_draws, captured.graph.nodes)) else 1):
        found = tree_leaves(runner.run(*(given[name] for name in places)))[0].double()
        apart = max(apart, float((found - own.double()).abs().max() / own.double().abs().max().clamp_min(1e-30)))
    if apart > limit:
        raise DeployError(
            f"{type(model).__name__}: the graph that torch.export makes of it gives other outputs than the model itself, by "
            f"{apart:.2g} of the largest: it draws random numbers, or behaves otherwise while it is traced (transformers' "
            "models may leave out a mask); give all its arguments, masks too, or wrap the part that is to be converted"
        )


def _draws(node: torch.fx.Node) -> bool:
    """Whether a node's operation draws random numbers; dropout does not, in evaluation mode."""
    tags = getattr(node.target, "tags", ())
    return torch.Tag.nondeterministic_seeded in tags and name_of(node) != "dropout"
