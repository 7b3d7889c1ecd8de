"""The closed form: every operation's meaning evaluated once per window, batched, at about the speed of the model.

Since one-spike phase codes make a stage a function of its inputs' spike times, no time step is simulated here; the
stepped runs (Lava, and the numpy stepper) must agree with it spike for spike.
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


def fired(op: Operation, output: torch.Tensor) -> int:
    """Spikes that a node sends; a route passes on those of others."""
    return int(output.count_nonzero()) if op.fires and not isinstance(op, Route) else 0


def streams(op: Operation) -> bool:
    """Whether an operation hears the currents of its synapse step by step, not what they come to."""
    return getattr(op, "streams", False)


def read_by(network: Network, node: Node) -> tuple[str, ...]:
    """What a node's evaluation reads: its operands, and of one that hears currents by step the spikes that start them."""
    return (*node.inputs, *network.nodes[node.inputs[0]].inputs) if streams(node.op) else node.inputs


def currents_by_step(
    network: Network, node: Node, live: Mapping[str, torch.Tensor], dtype: torch.dtype
) -> torch.Tensor:
    """Currents (T, N, *shape) of the synapse that a node which streams hears; ``live`` has the codes that start them."""
    (synapse,) = node.inputs
    sent = trains(live[network.nodes[synapse].inputs[0]], node.op.steps)  # type: ignore[attr-defined]
    return torch.stack([network[synapse].closed_form(codes[None], dtype=dtype).values for codes in sent])


@dataclass
class ClosedForm:
    """Runs a network on batches.

    Attributes:
        network: the converted network (or, with ``ideal``, a lowered one that has no codes yet).
        dtype: arithmetic of a floating-point network; float64 to compare with Lava, float32 for speed.
        ideal: evaluate what each operation stands for in the trained network instead of its spikes.
        device: where, the current one if left out; the inputs are moved there, the outputs stay there.
        backend: what evaluates the kernels; None for that of the device.
    """

    network: Network
    dtype: torch.dtype = torch.float32
    ideal: bool = False
    device: torch.device = field(default_factory=current_device)
    backend: Backend | None = None

    def __post_init__(self) -> None:
        self.last_use = {source: name for name, node in self.network for source in read_by(self.network, node)}

    @torch.no_grad()
    def run(self, x: np.ndarray | torch.Tensor, observe: Observe | None = None) -> torch.Tensor:
        """Readout potentials (N, *output shape) of inputs (N, *sample shape without its leading 1).

        ``observe(name, op, result)`` sees what every node made and may return other values in place of its own.
        """
        return self.advance({Network.INPUT: self.encode(x)}, list(self.network.nodes), observe)

    def advance(
        self, live: dict[str, torch.Tensor], names: Sequence[str], observe: Observe | None = None
    ) -> torch.Tensor:
        """Evaluate nodes in the network's order, under the caller's gradient mode; only the ideal has gradients.

        Args:
            live: what the nodes read, by name, (N, *shape) each. What no later node reads is taken out and what they make is
                put in, so that the next nodes can be evaluated from it.
            names: which, at least one.
            observe: as of :meth:`run`.

        Returns:
            What the last of the nodes made.
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
                for source in read_by(self.network, node):
                    if self.last_use[source] == name:
                        live.pop(source, None)
        return live[names[-1]]

    def _operands(self, name: str, sent: list[torch.Tensor]) -> list[torch.Tensor]:
        """What a node reads, of what its operands sent."""
        return sent

    def _check_stage(self) -> None:
        """Raise DeployError where spikes are asked of a network without codes, or the ideal of one that has them."""
        if self.ideal and isinstance(self.network, CalibratedNetwork | FixedPointNetwork):
            require(self.network, LoweredNetwork, "the ideal")
        if not self.ideal and isinstance(self.network, LoweredNetwork):
            require(self.network, CalibratedNetwork, "the closed form")

    def _evaluate(self, op: Operation, operands: list[torch.Tensor]) -> Result:
        return Result(op.ideal(*operands)) if self.ideal else op.closed_form(*operands, dtype=self.dtype)

    def encode(self, x: np.ndarray | torch.Tensor) -> torch.Tensor:
        """The graded input (N, *input shape) of samples: real values, or int32 in the input's unit.

        A graded spike is as wide as a potential: samples far beyond the calibrated ones are clipped to that, which
        :meth:`input_clips` counts.
        """
        graded, bits = self._graded(x)
        return saturate(graded, bits).to(torch.int32) if bits else graded

    def input_clips(self, x: np.ndarray | torch.Tensor) -> torch.Tensor | None:
        """Which values (N, *input shape) of samples a graded spike cannot carry, int32; None if it can all."""
        graded, bits = self._graded(x)
        return clips_of(graded, bits) if bits else None

    def _graded(self, x: np.ndarray | torch.Tensor) -> tuple[torch.Tensor, int]:
        """Samples as real values and 0, or in whole units of the input, float64, and the bits of a graded spike."""
        samples = torch.as_tensor(x, device=self.device)
        samples = samples.reshape(len(samples), *self.network.input_shape)
        unit = self.network.header.input_unit
        if unit is None or self.ideal:
            return samples.to(self.dtype), 0
        bits = self.network[self.network.output].state_bits  # type: ignore[attr-defined]
        return torch.round(samples.double() / unit), bits

    def real(self, y: torch.Tensor) -> torch.Tensor:
        """Readout potentials in the model's units, (N, *output shape)."""
        unit = self.network[self.network.output].unit  # type: ignore[attr-defined]
        return y * constant(unit, y.device, self.dtype)
