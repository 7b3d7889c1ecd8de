"""How much a network's outputs depend on the values inside it, by gradients of random sums of the outputs.

A probe is a sum of the outputs with random signs (Rademacher). The mean square of such a sum is the sum of the outputs'
squares; likewise, the mean square of a probe's gradient times an error is the squared error of the outputs, to first
order. Padding tokens have outputs like others, but nobody reads them: they are left out of the sums.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Mapping

import numpy as np
import torch

from evaluator.closed_form import ClosedForm, Observe
from processes.calibration import accepts, feature_axis
from processes.network import Network, Route
from processes.operation import Operation, Result

PROBES = 2
GRADIENT_BATCH = 8  # most samples whose gradients are taken together
GRADIENT_BYTES = (
    4 * 2**30
)  # most memory that derivatives of the whole network would take for them, unless a single sample takes more
BATCH_BYTES = 2 * 2**30  # most memory for the values of the largest node, where no gradients are taken
PART_BYTES = 2**30  # most memory of derivatives in the part of the network that is differentiated at a time
COPIES = 4  # of each value: itself, what derivatives keep, and the gradients on their way

OnGradient = Callable[[torch.Tensor], None]
"""Called with a node's gradient (N, *shape), once for each probe."""

Watch = Callable[[str, torch.Tensor], OnGradient | None]
"""Called with a node's name and values; returns what is called with its gradients, or None."""


def probe(network: Network, x: np.ndarray, rng: np.random.Generator, watch: Watch) -> None:
    """Take the gradients of ``PROBES`` random sums of the outputs, and hand those of watched nodes to their watchers.

    What derivatives need is held for one part of the network at a time, from the last part to the first; each part but
    the last is evaluated a second time for it, from the values that it reads of the parts before (checkpointing, Chen
    et al., 2016). A gradient is dropped once a watcher has seen it; those of values that a later part reads are held
    until the part that makes these values is reached.

    Args:
        network: lowered, not folded.
        x: inputs (N, *input).
        rng: draws the probes' signs, before ``watch`` is called.
        watch: called in the network's order with each node's name and values (N, *shape); returns what is called with
            the gradient of each probe (N, *shape), zeros where the outputs do not depend on the node, or None.
    """
    form = ClosedForm(network, ideal=True)
    live = {Network.INPUT: form.encode(torch.as_tensor(x, dtype=torch.float32))}
    graded, shape = live[Network.INPUT], (len(x), *network[network.output].shape)
    signs = [
        torch.from_numpy(2 * rng.integers(0, 2, shape) - 1).to(graded.device, torch.float32) for _ in range(PROBES)
    ]
    read = outputs_read(network, graded, shape)
    seen: dict[str, OnGradient] = {}

    def meet(name: str, _: Operation, result: Result) -> None:
        if (on := watch(name, result.values.detach())) is not None:
            seen[name] = on

    *before, last = parts(network, len(x))
    begins = []
    for part in before:
        begins.append(dict(live))
        with torch.no_grad():
            form.advance(live, part, meet)
    found = [{network.output: sign * read} for sign in signs]
    found = _backwards(form, last, live, found, seen, meet)
    for part, begin in zip(reversed(before), reversed(begins), strict=True):
        found = _backwards(form, part, begin, found, seen)


def _backwards(
    form: ClosedForm,
    part: list[str],
    begin: Mapping[str, torch.Tensor],
    found: list[dict[str, torch.Tensor]],
    seen: Mapping[str, OnGradient],
    meet: Observe | None = None,
) -> list[dict[str, torch.Tensor]]:
    """Differentiate one part of the network, and hand the gradients of its nodes to their watchers (``seen``).

    Args:
        form: evaluates the network's ideal.
        part: names of the part's nodes.
        begin: the values that the part reads.
        found: for each probe, gradients of the values that are read after the part.
        seen: watchers by node.
        meet: called with each node's result, where the part is evaluated for the first time.

    Returns:
        For each probe, the gradients of ``begin``.
    """
    values: dict[str, torch.Tensor] = {}
    shown: set[str] = set()

    def show(name: str, gradient: torch.Tensor) -> None:
        shown.add(name)
        seen[name](gradient)

    def keep(name: str, op: Operation, result: Result) -> torch.Tensor:
        if meet is not None:
            meet(name, op, result)
        y = result.values
        values[name] = y.view_as(y)  # so that a node that returns its operand itself has gradients of its own
        return values[name]

    with torch.enable_grad():
        leaves = {name: value.detach().requires_grad_() for name, value in begin.items()}
        live = dict(leaves)
        form.advance(live, part, keep)
        shapes = {name: values[name].shape for name in part if name in seen}
        for name in shapes:
            values[name].register_hook(functools.partial(show, name))
        values.clear()
        earlier = []
        for i, after in enumerate(found):
            shown.clear()
            reached = [name for name in after if live[name].requires_grad]
            gradients = torch.autograd.grad(
                [live[name] for name in reached], list(leaves.values()), [after[name] for name in reached],
                retain_graph=i < len(found) - 1, allow_unused=True,
            )  # fmt: skip
            earlier.append({n: g for n, g in zip(leaves, gradients, strict=True) if g is not None})
            for name in shapes.keys() - shown:
                seen[name](torch.zeros(shapes[name], device=form.device))
    return earlier


def parts(network: Network, samples: int) -> list[list[str]]:
    """The network's nodes in order, cut into parts whose derivatives on ``samples`` samples take ``PART_BYTES``.

    No part takes more, unless a single node does.
    """
    found: list[list[str]] = [[]]
    held = 0
    for name, node in network:
        own = 0 if isinstance(node.op, Route) else COPIES * torch.float32.itemsize * samples * math.prod(node.op.shape)
        if found[-1] and held + own > PART_BYTES:
            found.append([])
            held = 0
        found[-1].append(name)
        held += own
    return found


def differentiated_together(network: Network, batch: int) -> int:
    """How many samples :func:`probe` may be given at a time: ``batch`` or ``GRADIENT_BATCH`` at most, within memory."""
    values = sum(math.prod(node.op.shape) for _, node in network if not isinstance(node.op, Route))
    return max(1, min(batch, GRADIENT_BATCH, GRADIENT_BYTES // (COPIES * torch.float32.itemsize * values)))


def evaluated_together(network: Network, batch: int) -> int:
    """How many samples may be run at a time: at most ``batch``, and what ``BATCH_BYTES`` hold of the largest node; at least 1.

    The logits of a language model's window are a hundred times its other values.
    """
    largest = max(math.prod(node.op.shape) for _, node in network)
    return max(1, min(batch, BATCH_BYTES // (COPIES * torch.float64.itemsize * largest)))


def outputs_read(network: Network, x: torch.Tensor, shape: tuple[int, ...]) -> torch.Tensor:
    """Factors that broadcast with outputs of ``shape`` (N, ...): 1 where an output is read, 0 for padding tokens.

    ``x``: the network's encoded input (N, *input), whose last feature says which tokens take part, if there are masks.
    """
    masked = any(len(node.inputs) > 1 and accepts(node.op) == "equal units" for _, node in network)
    x = x.reshape(len(x), *network.input_shape)
    if not masked or shape[:-1] != x.shape[:-1]:  # one output for all tokens
        return torch.ones((), device=x.device)
    return x[..., -1:]


def sample_axis(op: Operation, axes: int) -> int:
    """The axis of a batch (N, *shape) with ``axes`` axes along which an operation's features lie."""
    return 1 + feature_axis(op) % (axes - 1)
