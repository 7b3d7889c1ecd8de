"""The accuracy ladder: the original network, then versions that add one source of error after the other."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, cast

import numpy as np

from deploy.measure.metrics import accuracy, agreement, output_cosine, relative_error
from processes.batches import slices
from processes.deferred import Deferred
from processes.network import Network, Node
from processes.synapse import Synapse

TOGETHER = 2**22  # weights scaled at a time, which bounds the float64 copies


@dataclass(frozen=True)
class Rung:
    """How one version of the network does on ``samples`` samples; None where a measure does not apply.

    accuracy: share of predictions that are the label. agreement: share that are the original's. output_cosine: mean
    cosine with the original's outputs. relative_error: L2 error of the outputs over the L2 norm of the original's.
    layer_errors: relative L2 error by node.
    """

    name: str
    samples: int
    accuracy: float | None = None
    agreement: float | None = None
    output_cosine: float | None = None
    relative_error: float | None = None
    layer_errors: Mapping[str, float] = field(default_factory=dict)

    @property
    def layer_error(self) -> float | None:
        """Mean of ``layer_errors``; None if there are none."""
        return float(np.mean(list(self.layer_errors.values()))) if self.layer_errors else None


def rung(
    name: str,
    outputs: np.ndarray,
    reference: np.ndarray,
    labels: np.ndarray | None = None,
    classes: bool = True,
    layer_errors: Mapping[str, float] | None = None,
) -> Rung:
    """Compare ``outputs`` (n, *output) with the first n of the original's ``reference`` outputs and of ``labels``.

    ``classes``: whether outputs are class scores, which have accuracy and agreement; others have a cosine. For the
    original itself (``outputs is reference``) only the accuracy is computed.
    """
    n = len(outputs)
    original = outputs is reference
    reference = reference[:n]
    return Rung(
        name,
        n,
        accuracy=accuracy(outputs, labels[:n]) if classes and labels is not None else None,
        agreement=agreement(outputs, reference) if classes and not original else None,
        output_cosine=output_cosine(outputs, reference) if not classes and not original else None,
        relative_error=None if original else relative_error(outputs, reference),
        layer_errors=layer_errors or {},
    )


def rounded_weights(ideal: Network, calibrated: Network, fixed: Network) -> Network:
    """The lowered network with the rounded weights of ``fixed``, to be evaluated as ideal: without spikes.

    Weights were rounded after calibration had folded scales into them, so each original weight is multiplied by the
    ratio of its rounded to its unrounded folded value. Biases are those of ``fixed``, which correct the mean error.
    """
    out = ideal.copy()
    for name, node in ideal:
        op = node.op
        if isinstance(op, Synapse):
            folded, integers = calibrated[name], fixed[name]
            assert isinstance(folded, Synapse) and isinstance(integers, Synapse)
            assert integers.unit is not None
            make = partial(_as_rounded, op.weight, folded.weight, integers)
            weight = cast(np.ndarray, Deferred(make, op.weight.shape, op.weight.dtype))
            op = replace(op, weight=weight, bias=integers.bias * integers.unit)
        out.nodes[name] = Node(op, node.inputs)
    return out


def _as_rounded(weight: np.ndarray, folded: np.ndarray, integers: Synapse, dtype: np.dtype[Any]) -> np.ndarray:
    """Multiply ``weight`` by the ratio of rounded (``integers``) to unrounded weights (``folded``; 1 where 0)."""
    assert integers.unit is not None
    weight, before, made = np.asarray(weight), np.asarray(folded), np.empty(folded.shape, dtype)
    unit = integers.unit.reshape(integers.unit.shape + (1,) * (before.ndim - integers.unit.ndim))
    unit, largest = np.broadcast_to(unit, before.shape), float(integers.trace.max())
    for rows in slices(len(made), max(1, TOGETHER * len(made) // made.size)):
        kept = np.ones(made[rows].shape)
        after = integers.weight[rows] * unit[rows] * largest
        np.divide(after, before[rows], out=kept, where=before[rows] != 0)
        made[rows] = weight[rows] * kept
    return made
