"""A check against wrong conversions: the lowered network is compared with the model before any code is chosen.

Both are evaluated on samples. Where the outputs deviate by more than sums in another order explain, the model's graph is
interpreted node by node beside the network, and the first operation whose value differs in the network is named.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from converters.captured import Captured, place
from converters.front_end import MaskPart, split
from converters.lowering import Translation, translate
from converters.lowering.builder import Neurons, Value
from evaluator.closed_form import ClosedForm
from processes.errors import DeployError
from processes.network import Network
from processes.operation import Operation, Result
from processes.phase_neuron.activations import activation
from processes.routing import apply

EQUAL = 1e-4
"""Largest deviation over the largest magnitude: as much as float32 sums in another order leave in a deep network."""

Arguments = Sequence[torch.Tensor]


class WrongLowering(DeployError):
    """The lowered network computes something else than the model, which is a defect of this software."""


@dataclass(frozen=True)
class Deviation:
    """Where a network first differs from its model.

    Attributes:
        place: the operation and its module, in words.
        error: largest difference of its value over its largest magnitude; None where no single operation was found.
    """

    place: str
    error: float | None


def check_equal(
    captured: Captured, network: Network, samples: Sequence[np.ndarray], fanout: bool, neurons: Neurons
) -> None:
    """Compare a lowered network with its model.

    Args:
        captured: the exported model.
        network: what :func:`converters.lowering.lower` made of ``captured`` with the same ``fanout`` and ``neurons``.
        samples: the model's arguments, each (N, ...); each of the N samples is compared by itself.
        fanout: whether residual streams are handed on as every branch's spikes.
        neurons: which neurons compute softmax and activations.

    Raises:
        DeployError: the model's own output is not finite; the message names the first operation that gives NaN or infinity.
        WrongLowering: outputs differ by more than ``EQUAL``; the message names the first operation whose value does.
    """
    for number in range(len(samples[0])):
        arguments = [torch.as_tensor(argument[number : number + 1]) for argument in samples]
        expected = _Interpreter(captured).run_on(arguments)
        if not bool(expected.isfinite().all()):
            raise DeployError(
                f"the model itself gives NaN or infinity for calibration sample {number}, first in "
                f"{_first_not_finite(captured, arguments)}; nothing was converted: check its weights and the sample"
            )
        runner, sample = _ideal(captured, network, arguments)
        # weights in float64 are given back at once, as only this comparison reads them
        error = _distance(runner.run(sample, lambda name, op, result: op.release()).cpu(), expected)
        if not error <= EQUAL:
            first = first_deviation(captured, translate(captured, network.input_shape, fanout, neurons), arguments)
            by = "" if first.error is None else f", by {first.error:.2g}"
            raise WrongLowering(
                f"the lowered network differs from the model by {error:.2g} of its largest output, first in {first.place}{by}; "
                "nothing was converted: this is a defect of this software, please report it with the model"
            )


def first_deviation(captured: Captured, translated: Translation, arguments: Arguments) -> Deviation:
    """The first operation of the model, in the model's order, whose value on one sample differs in the network.

    Args:
        captured: the exported model.
        translated: from :func:`converters.lowering.translate`.
        arguments: the model's arguments, with a batch of one.
    """
    held, values = _held(captured, translated.network, arguments), {}
    _Interpreter(captured, values).run_on(arguments)
    for node, expected in values.items():
        value = translated.values.get(node)
        if not isinstance(value, Value) or value.node not in held or value.normaliser or value.mask:
            continue  # no value of the network, pruned, or a value on which a division or a mask is pending
        error = _distance(_evaluate(value, held[value.node]), expected)
        if not error <= EQUAL:
            return Deviation(_words(node), error)
    return Deviation("what was simplified after every operation had been translated", None)


def _first_not_finite(captured: Captured, arguments: Arguments) -> str:
    """The first operation of the model whose value on one sample holds NaN or infinity without being a mask, in words."""
    values: dict[torch.fx.Node, torch.Tensor] = {}
    _Interpreter(captured, values).run_on(arguments)
    found = (node for node, value in values.items() if bool(value.isnan().any()) or bool((value == torch.inf).any()))
    first = next(found, None)
    return "its output" if first is None else _words(first)


def _words(node: torch.fx.Node) -> str:
    return f"'{node.target}' at '{place(node) or 'top level'}'"


class _Interpreter(torch.fx.Interpreter):
    """Runs a captured graph, and puts the tensors that its operations give into ``values``, if that is not None."""

    def __init__(self, captured: Captured, values: dict[torch.fx.Node, torch.Tensor] | None = None) -> None:
        super().__init__(torch.fx.GraphModule(torch.nn.Module(), captured.graph))
        self.captured = captured
        self.values = values
        self.crossing = split(captured).crossing

    @torch.no_grad()
    def run_on(self, arguments: Arguments) -> torch.Tensor:
        """The model's first output, the one that the network reads out, for arguments with a batch of one."""
        given: Mapping[str, torch.Tensor] = dict(zip(self.captured.inputs, arguments, strict=True))
        known = {**self.captured.constants, **given}
        placeholders = [node.name for node in self.captured.graph.nodes if node.op == "placeholder"]
        outputs = self.run(*(known[name] for name in placeholders))
        return outputs[0] if isinstance(outputs, (list, tuple)) else outputs

    def run_node(self, n: torch.fx.Node) -> Any:
        """Evaluate a node; rows of padding in a mask attend to the same keys as in the network."""
        result = super().run_node(n)
        if isinstance(crossing := self.crossing.get(n), MaskPart):
            result = crossing.pattern.filled(result)
        if self.values is not None and isinstance(result, torch.Tensor) and n.op == "call_function":
            self.values[n] = result
        return result


def _ideal(captured: Captured, network: Network, arguments: Arguments) -> tuple[ClosedForm, np.ndarray]:
    """An evaluator of the network in real units, float64, and the network's input for the model's arguments."""
    front = split(captured).front
    return ClosedForm(network, torch.float64, ideal=True), arguments[0].numpy() if front is None else front(*arguments)


def _held(captured: Captured, network: Network, arguments: Arguments) -> dict[str, torch.Tensor]:
    """The ideal value of every node and of the input, for a batch of one, by name."""
    runner, sample = _ideal(captured, network, arguments)
    held = {Network.INPUT: runner.encode(sample).cpu()}

    def observe(name: str, op: Operation, result: Result) -> None:
        held[name] = result.values.cpu()

    runner.run(sample, observe)
    return held


def _evaluate(value: Value, node: torch.Tensor) -> torch.Tensor:
    """gain * route(activation(node)) + offset, given the node's value (1, *shape)."""
    y = apply(activation(value.activation).torch(node), value.steps, 1)
    y = y if value.gain is None else y * value.gain.double()
    return y if value.offset is None else y + value.offset.double()


def _distance(found: torch.Tensor, expected: torch.Tensor) -> float:
    """Largest |difference| over the largest |expected|; infinite if the numbers of elements differ."""
    if found.numel() != expected.numel():
        return float("inf")
    expected = expected.double()
    largest = expected.abs().max().clamp(min=torch.finfo(torch.float32).tiny)
    return float((found.reshape(expected.shape) - expected).abs().max() / largest)
