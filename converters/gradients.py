"""How much the outputs depend on what happens inside a network, by random sums of its outputs.

The mean square of such a sum (Rademacher probe) is the sum of squares, and so is that of its gradient times any error.
Padding tokens have outputs like others, but nobody reads them: they are left out of the sums.
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
GRADIENT_BATCH = 8  # samples whose gradients are taken together, at most
GRADIENT_BYTES = (
    4 * 2**30
)  # that derivatives of all parts would take for them, at most, unless a single sample takes more
BATCH_BYTES = 2 * 2**30  # of memory for values of the largest node, where no gradients are taken
PART_BYTES = 2**30  # that derivatives take of a part of the network that is gone back through at a time, at most
COPIES = 4  # of each value: itself, what derivatives keep, and the gradients on their way

OnGradient = Callable[[torch.Tensor], None]
"""What sees a node's gradient of each probe."""

Watch = Callable[[str, torch.Tensor], OnGradient | None]
"""Given a node and its values, what sees its gradients; None if nothing does."""


def probe(network: Network, x: np.ndarray, rng: np.random.Generator, watch: Watch) -> None:
    """Show the gradients of ``PROBES`` random sums of the outputs to whoever watches a node.

    What derivatives need is held of one part of the network at a time, from the last part to the first; each but the last is
    evaluated anew for it, from what its nodes read of those before (checkpointing, Chen et al., 2016). A gradient is held only
    as long as it is shown, and those of what is read across parts until its own part comes.

    Args:
        network: lowered, not folded.
        x: inputs (N, *input).
        rng: of the probes, which are drawn before ``watch`` is called.
        watch: given a node and its values (N, *shape), says what sees the gradient of each probe (N, *shape), zeros where
            the outputs do not depend on the node; None if nothing does. It is called in the network's order.
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
    """Of each probe, gradients of what a part reads (``begin``), of those of what is read after it; watchers see its nodes'."""
    values: dict[str, torch.Tensor] = {}
    shown: set[str] = set()

    def show(name: str, gradient: torch.Tensor) -> None:
        shown.add(name)
        seen[name](gradient)

    def keep(name: str, op: Operation, result: Result) -> torch.Tensor:
        if meet is not None:
            meet(name, op, result)
        y = result.values
        values[name] = y.view_as(y)  # one that passes on what it is given has gradients of its own
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
    """The network's nodes in order, cut where what derivatives of so many samples need would exceed ``PART_BYTES``."""
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
    """How many samples :func:`probe` may be given at a time: at most ``batch``, and what ``GRADIENT_BYTES`` hold."""
    values = sum(math.prod(node.op.shape) for _, node in network if not isinstance(node.op, Route))
    return max(1, min(batch, GRADIENT_BATCH, GRADIENT_BYTES // (COPIES * torch.float32.itemsize * values)))


def evaluated_together(network: Network, batch: int) -> int:
    """How many samples may be run at a time: at most ``batch``, and what ``BATCH_BYTES`` hold of the largest node; at least 1.

    The logits of a language model's window are a hundred times its other values.
    """
    largest = max(math.prod(node.op.shape) for _, node in network)
    return max(1, min(batch, BATCH_BYTES // (COPIES * torch.float64.itemsize * largest)))


def outputs_read(network: Network, x: torch.Tensor, shape: tuple[int, ...]) -> torch.Tensor:
    """1 for outputs (N, *shape) that are read and 0 for those of padding tokens, broadcast shape."""
    masked = any(len(node.inputs) > 1 and accepts(node.op) == "equal units" for _, node in network)
    x = x.reshape(len(x), *network.input_shape)
    if not masked or shape[:-1] != x.shape[:-1]:  # one output for all tokens
        return torch.ones((), device=x.device)
    return x[..., -1:]


def sample_axis(op: Operation, axes: int) -> int:
    """The axis of a batch (N, *shape), of so many axes, along which an operation's features lie."""
    return 1 + feature_axis(op) % (axes - 1)
