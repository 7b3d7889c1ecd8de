"""The closed form: every operation evaluated once per window for a whole batch, at about the speed of the model.

What an operation sends in a window is a function of the spike times of its operands, so no time step is simulated here.
The stepped runs (Lava, and the stepper in this package) must agree with the closed form spike for spike.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import torch

from processes.backends import Backend, using
from processes.backends.constants import constant
from processes.backends.devices import current_device, full_precision
from processes.fixed import saturate
from processes.memory import keep_freed
from processes.network import (
    CalibratedNetwork,
    FixedPointNetwork,
    LoweredNetwork,
    Network,
    Node,
    Route,
    require,
)
from processes.operation import Operation, Result, clips_of
from processes.spikes import trains

Observe = Callable[[str, Operation, Result], torch.Tensor | None]
"""Called with a node's name, its operation and its result; may return values that replace the result's."""


def fired(op: Operation, output: torch.Tensor) -> int:
    """The number of spikes in a node's output; 0 for a route, which only passes on the spikes of its operand."""
    return int(output.count_nonzero()) if op.fires and not isinstance(op, Route) else 0


def streams(op: Operation) -> bool:
    """Whether an operation reads the currents of its synapse step by step instead of their sum over the window."""
    return getattr(op, "streams", False)


def read_by(network: Network, node: Node) -> tuple[str, ...]:
    """The nodes whose output a node's evaluation reads: its operands and, if it streams, those of its synapse."""
    return (*node.inputs, *network.nodes[node.inputs[0]].inputs) if streams(node.op) else node.inputs


def last_reads(network: Network) -> dict[str, list[str]]:
    """By node, the nodes (or the input) whose output no later node reads."""
    last = {source: name for name, node in network for source in read_by(network, node)}
    done: dict[str, list[str]] = {name: [] for name in network.nodes}
    for source, name in last.items():
        done[name].append(source)
    return done


def currents_by_step(
    network: Network, node: Node, live: Mapping[str, torch.Tensor], dtype: torch.dtype
) -> torch.Tensor:
    """Currents (T, N, *shape) of each step that a streaming node reads; ``live`` holds the codes its synapse reads."""
    (synapse,) = node.inputs
    sent = trains(live[network.nodes[synapse].inputs[0]], node.op.steps)  # type: ignore[attr-defined]
    return torch.stack([network[synapse].closed_form(codes[None], dtype=dtype).values for codes in sent])


@dataclass
class ClosedForm:
    """Evaluates a network on batches of samples by the closed forms of its operations.

    Attributes:
        network: the converted network, or, with ``ideal``, a lowered one that has no codes yet.
        dtype: arithmetic of a floating-point network; float64 to compare with Lava, float32 for speed.
        ideal: whether to evaluate what each operation stands for in the trained network instead of its spikes.
        device: the device to run on, by default the current one; inputs are moved there, outputs stay there.
        backend: evaluates the kernels; None for the backend of the device.
    """

    network: Network
    dtype: torch.dtype = torch.float32
    ideal: bool = False
    device: torch.device = field(default_factory=current_device)
    backend: Backend | None = None

    def __post_init__(self) -> None:
        self.last_reads = last_reads(self.network)
        keep_freed()

    @torch.no_grad()
    def run(self, x: np.ndarray | torch.Tensor, observe: Observe | None = None) -> torch.Tensor:
        """Run the whole network on samples, without gradients.

        Args:
            x: samples in real units, (N, *sample shape without its leading 1).
            observe: called with every node's name, operation and result; values that it returns replace the result's.

        Returns:
            Readout potentials (N, *output shape), in the network's own units (:meth:`real` converts them).

        Raises:
            DeployError: spikes are asked of a network without codes, or the ideal of one that has them.
        """
        return self.advance({Network.INPUT: self.encode(x)}, list(self.network.nodes), observe)

    def advance(
        self, live: dict[str, torch.Tensor], names: Sequence[str], observe: Observe | None = None
    ) -> torch.Tensor:
        """Evaluate some nodes, in the network's order, under the caller's gradient mode; only the ideal has gradients.

        Args:
            live: outputs of evaluated nodes by name: codes (planes, N, *shape) or potentials (N, *shape). The outputs
                of ``names`` are added, and those that no later node reads are removed, as the next nodes need.
            names: the nodes to evaluate, at least one.
            observe: as of :meth:`run`.

        Returns:
            The output of the last of the nodes.

        Raises:
            DeployError: as of :meth:`run`.
        """
        self._check_stage()
        with using(self.backend), full_precision():
            for name in names:
                node = self.network.nodes[name]
                operands = self._operands(name, [live[source] for source in node.inputs])
                if streams(node.op) and not self.ideal:
                    operands = [currents_by_step(self.network, node, live, self.dtype)]
                result = self._evaluate(node.op, operands)
                replacement = None if observe is None else observe(name, node.op, result)
                live[name] = result.values if replacement is None else replacement
                for source in self.last_reads[name]:
                    live.pop(source, None)
        return live[names[-1]]

    def _operands(self, name: str, sent: list[torch.Tensor]) -> list[torch.Tensor]:
        """The operands with which a node is evaluated, given what they sent; subclasses may add to them."""
        return sent

    def _check_stage(self) -> None:
        """Raise DeployError if spikes are asked of a network without codes, or the ideal of one that has them."""
        if self.ideal and isinstance(self.network, CalibratedNetwork | FixedPointNetwork):
            require(self.network, LoweredNetwork, "the ideal")
        if not self.ideal and isinstance(self.network, LoweredNetwork):
            require(self.network, CalibratedNetwork, "the closed form")

    def _evaluate(self, op: Operation, operands: list[torch.Tensor]) -> Result:
        return Result(op.ideal(*operands)) if self.ideal else op.closed_form(*operands, dtype=self.dtype)

    def encode(self, x: np.ndarray | torch.Tensor) -> torch.Tensor:
        """Convert samples to the graded input (N, *input shape): real values, or int32 in the input's unit.

        In fixed point a graded spike is as wide as a potential; larger values are clipped (:meth:`input_clips`).
        """
        graded, bits = self._graded(x)
        return saturate(graded, bits).to(torch.int32) if bits else graded

    def input_clips(self, x: np.ndarray | torch.Tensor) -> torch.Tensor | None:
        """Which values of the samples :meth:`encode` clips, int32 (N, *input shape) of 0 and 1; None if none."""
        graded, bits = self._graded(x)
        return clips_of(graded, bits) if bits else None

    def _graded(self, x: np.ndarray | torch.Tensor) -> tuple[torch.Tensor, int]:
        """(samples as real values, 0), or (samples in whole units of the input, float64, bits of a graded spike)."""
        samples = torch.as_tensor(x, device=self.device)
        samples = samples.reshape(len(samples), *self.network.input_shape)
        unit = self.network.header.input_unit
        if unit is None or self.ideal:
            return samples.to(self.dtype), 0
        bits = self.network[self.network.output].state_bits  # type: ignore[attr-defined]
        return torch.round(samples.double() / unit), bits

    def real(self, y: torch.Tensor) -> torch.Tensor:
        """Convert readout potentials ``y`` to the model's units, (N, *output shape)."""
        unit = self.network[self.network.output].unit  # type: ignore[attr-defined]
        return y * constant(unit, y.device, self.dtype)
