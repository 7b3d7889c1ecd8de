"""How much the outputs depend on what happens inside a network, by random sums of its outputs.

The mean square of such a sum (Rademacher probe) is the sum of squares, and so is that of its gradient times any error.
Padding tokens have outputs like others, but nobody reads them: they are left out of the sums.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable

import numpy as np
import torch

from evaluator.closed_form import ClosedForm
from processes.backends.devices import current_device
from processes.batches import Progress, slices
from processes.calibration import accepts, feature_axis, weights
from processes.network import Network, Route
from processes.operation import Operation, Result

PROBES = 2
GRADIENT_BATCH = 8  # samples whose activations are held for gradients together, at most
GRADIENT_BYTES = 4 * 2**30  # that they take, at most, unless a single sample takes more
BATCH_BYTES = 2 * 2**30  # of memory for values of the largest node, where no gradients are taken
COPIES = 4  # of each value: itself, what derivatives keep, and the gradients on their way

OnGradient = Callable[[torch.Tensor], None]
"""What sees a node's gradient of each probe."""

Watch = Callable[[str, torch.Tensor], OnGradient | None]
"""Given a node and its values, what sees its gradients; None if nothing does."""


def probe(network: Network, x: np.ndarray, rng: np.random.Generator, watch: Watch) -> None:
    """Show the gradients of ``PROBES`` random sums of the outputs to whoever watches a node.

    Values and what derivatives need of them are held for all samples together; a gradient only as long as it is shown.

    Args:
        network: lowered, not folded.
        x: inputs (N, *input).
        rng: of the probes, which are drawn before ``watch`` is called.
        watch: given a node and its values (N, *shape), says what sees the gradient of each probe (N, *shape), zeros where
            the outputs do not depend on the node; None if nothing does. It is called in the network's order.
    """
    values: dict[str, torch.Tensor] = {}

    def keep(name: str, op: Operation, result: Result) -> torch.Tensor:
        y = result.values
        values[name] = y.view_as(y)  # a neuron that codes its input as it is has gradients of its own
        return values[name]

    with torch.enable_grad():
        graded = torch.as_tensor(x, dtype=torch.float32, device=current_device()).clone().requires_grad_()
        out = ClosedForm(network, ideal=True).differentiable(graded, keep)
        read = outputs_read(network, graded.detach(), out)
        probes = [2 * rng.integers(0, 2, out.shape) - 1 for _ in range(PROBES)]
        watching = {name: (y.shape, seen) for name, y in values.items() if (seen := watch(name, y.detach()))}
        shown: set[str] = set()

        def hook(name: str, gradient: torch.Tensor) -> None:
            shown.add(name)
            watching[name][1](gradient)

        for name in watching:
            values[name].register_hook(functools.partial(hook, name))
        values.clear()
        for i, signs in enumerate(probes):
            shown.clear()
            weights = torch.from_numpy(signs.astype(np.float32)).to(out.device) * read
            torch.autograd.grad(out, graded, weights, retain_graph=i < PROBES - 1)
            for name in watching.keys() - shown:
                watching[name][1](torch.zeros(watching[name][0], device=out.device))


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


def outputs_read(network: Network, x: torch.Tensor, out: torch.Tensor) -> torch.Tensor:
    """1 for outputs that are read and 0 for those of padding tokens, broadcast shape."""
    masked = any(len(node.inputs) > 1 and accepts(node.op) == "equal units" for _, node in network)
    x = x.reshape(len(x), *network.input_shape)
    if not masked or out.shape[:-1] != x.shape[:-1]:  # one output for all tokens
        return torch.ones((), device=x.device)
    return x[..., -1:]


def row_importance(
    network: Network, samples: np.ndarray, batch: int = GRADIENT_BATCH, progress: Progress | None = None
) -> dict[str, np.ndarray]:
    """Per synapse with shared weights, how much a row of its outputs (a token, a pixel) matters, float32 (N, rows).

    Errors of its weights at a row cost the outputs so much, averaged over features.

    Args:
        network: lowered, not folded.
        samples: inputs (N, *input).
        batch: samples evaluated together, which bounds the memory that gradients take.
        progress: called with (samples done, samples in all).
    """
    rng = np.random.default_rng(0)
    found: dict[str, list[np.ndarray]] = {}
    for part in slices(len(samples), batch, progress):
        squares: dict[str, torch.Tensor] = {}

        def watch(name: str, _: torch.Tensor, squares: dict[str, torch.Tensor] = squares) -> OnGradient | None:
            return functools.partial(_add_square, squares, name) if weights(network[name]) == "shared" else None

        probe(network, samples[part], rng, watch)
        for name, total in squares.items():
            mean = total / PROBES
            features = mean.mean(sample_axis(network[name], mean.ndim))
            found.setdefault(name, []).append(features.flatten(1).cpu().numpy())
    return {name: np.concatenate(parts) for name, parts in found.items()}


def _add_square(squares: dict[str, torch.Tensor], name: str, gradient: torch.Tensor) -> None:
    """Add a gradient's squares to those of a node."""
    square = gradient.square()
    squares[name] = squares[name].add_(square) if name in squares else square


def sample_axis(op: Operation, axes: int) -> int:
    """The axis of a batch (N, *shape), of so many axes, along which an operation's features lie."""
    return 1 + feature_axis(op) % (axes - 1)
