"""How much the outputs depend on what happens inside a network, by random sums of its outputs.

The mean square of such a sum (Rademacher probe) is the sum of squares, and so is that of its gradient times any error.
Padding tokens have outputs like others, but nobody reads them: they are left out of the sums.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch

from evaluator.closed_form import ClosedForm
from processes.backends.devices import current_device
from processes.batches import Progress, slices
from processes.calibration import accepts, feature_axis, weights
from processes.network import Network
from processes.operation import Operation, Result

PROBES = 2


def probe(
    network: Network, x: np.ndarray, rng: np.random.Generator, wanted: Callable[[Operation], bool]
) -> list[tuple[str, torch.Tensor, torch.Tensor]]:
    """(name, values (N, *shape), gradients of the probes (PROBES, N, *shape)) of the nodes that are wanted.

    Args:
        network: lowered, not folded.
        x: inputs (N, *input); their gradients are kept in memory together.
        rng: of the probes.
        wanted: by operation.
    """
    values: dict[str, torch.Tensor] = {}

    def keep(name: str, op: Operation, result: Result) -> torch.Tensor | None:
        y = result.values
        if not wanted(op):
            return None
        values[name] = y.view_as(y)  # a neuron that codes its input as it is has gradients of its own
        return values[name]

    with torch.enable_grad():
        graded = torch.as_tensor(x, dtype=torch.float32, device=current_device()).clone().requires_grad_()
        out = ClosedForm(network, ideal=True).differentiable(graded, keep)
        read = outputs_read(network, graded.detach(), out)
        gradients = [torch.empty((PROBES, *y.shape), device=y.device) for y in values.values()]
        for i in range(PROBES):
            signs = torch.from_numpy((2 * rng.integers(0, 2, out.shape) - 1).astype(np.float32)).to(out.device) * read
            found = torch.autograd.grad(out, list(values.values()), signs, retain_graph=True, materialize_grads=True)
            for kept, g in zip(gradients, found, strict=True):
                kept[i] = g
    return [(name, y.detach(), g) for (name, y), g in zip(values.items(), gradients, strict=True)]


def outputs_read(network: Network, x: torch.Tensor, out: torch.Tensor) -> torch.Tensor:
    """1 for outputs that are read and 0 for those of padding tokens, broadcast shape."""
    masked = any(len(node.inputs) > 1 and accepts(node.op) == "equal units" for _, node in network)
    x = x.reshape(len(x), *network.input_shape)
    if not masked or out.shape[:-1] != x.shape[:-1]:  # one output for all tokens
        return torch.ones((), device=x.device)
    return x[..., -1:]


def row_importance(
    network: Network, samples: np.ndarray, batch: int = 8, progress: Progress | None = None
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
        few = samples[part]
        for name, _, gradients in probe(network, few, rng, lambda op: weights(op) == "shared"):
            squares = gradients.square_().mean(0)
            features = squares.mean(sample_axis(network[name], squares.ndim))
            found.setdefault(name, []).append(features.flatten(1).cpu().numpy())
    return {name: np.concatenate(parts) for name, parts in found.items()}


def sample_axis(op: Operation, axes: int) -> int:
    """The axis of a batch (N, *shape), of so many axes, along which an operation's features lie."""
    return 1 + feature_axis(op) % (axes - 1)
