"""A causal network's run that goes on token by token: earlier tokens' neurons hold their local traces.

In Q K^T and A V the neurons of earlier tokens hold the traces of their keys and values, which depend on nothing later. So a
new token runs alone: its query's spikes against the held traces of the keys, its weights against those of the values,
everything else for itself. In fixed point every spike and potential is the whole sequence's (docs/language.md, Held traces).

What is held belongs to the run: operations keep nothing, and a :class:`Held` may be continued in several ways.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np
import torch

from evaluator.closed_form import ClosedForm, Observe
from processes.backends import Backend
from processes.backends.devices import current_device
from processes.errors import DeployError
from processes.network import Network
from processes.operation import Operation
from processes.tokens import Axes, Tokens, tokens
from processes.traits import Refused


@dataclass(frozen=True)
class Held:
    """What the neurons of the first tokens hold.

    Attributes:
        tokens: how many they are.
        traces: by product, the spikes (planes, N, *shape) that its second operand's traces are copies of.
    """

    tokens: int = 0
    traces: Mapping[str, torch.Tensor] = field(default_factory=dict)


NOTHING = Held()
"""Before the first token."""


def answers(network: Network) -> dict[str, Tokens]:
    """How each node goes on with later tokens.

    Raises:
        DeployError: the network cannot go on, with the first node that mixes tokens in a way that it could not.
    """
    shape = network.input_shape
    if len(shape) != 3 or shape[0] != 1:
        raise DeployError(f"the input of shape {shape} is no sequence of tokens (1, tokens, features)")
    axes, found = {Network.INPUT: Axes(-2)}, {}
    for name, node in network:
        try:
            found[name] = tokens(node.op, [axes[source] for source in node.inputs])
        except Refused as why:
            raise DeployError(f"node '{name}' cannot go on token by token: {why}") from why
        except DeployError as why:
            raise DeployError(f"node '{name}' ({node.op.name}) cannot go on token by token: {why}") from why
        axes[name] = found[name].axes
    if axes[network.output].columns is not None:
        raise DeployError(f"the readout '{network.output}' gives pairs of tokens")
    return found


@dataclass
class Continued:
    """Runs a network over some tokens after others.

    Attributes:
        network: with codes; what it computes of a token may depend on the tokens up to it alone.
        dtype, device, backend: as of :class:`ClosedForm`.

    Raises:
        DeployError: it mixes tokens otherwise.
    """

    network: Network
    dtype: torch.dtype = torch.float32
    device: torch.device = field(default_factory=current_device)
    backend: Backend | None = None

    def __post_init__(self) -> None:
        self.answers = answers(self.network)
        self._latest: dict[str, Operation] = {name: node.op for name, node in self.network}
        self._cut: tuple[int, int] | None = None

    @property
    def window(self) -> int:
        """Tokens for which the network is laid out."""
        return self.network.input_shape[1]

    def part(self, first: int, stop: int) -> Network:
        """The network of tokens ``first`` to ``stop`` - 1 alone, whose products read all tokens before ``stop``."""
        part = self.network.copy()
        part.input_shape = (1, stop - first, self.network.input_shape[2])
        as_long = self._cut is not None and self._cut[1] - self._cut[0] == stop - first
        for name, node in self.network:
            answer = self.answers[name]
            if answer.moves or not as_long:
                self._latest[name] = answer.part(node.op, self._latest[name], first, stop)
            part.put(name, self._latest[name])
        self._cut = first, stop
        return part

    def run(
        self,
        held: Held,
        x: np.ndarray | torch.Tensor,
        observed: Callable[[PartForm], Observe] | None = None,
    ) -> tuple[torch.Tensor, Held]:
        """Outputs (N, 1, n, *output) in the model's units of n tokens after those held, and what is held after them.

        Args:
            held: of earlier tokens of the same samples; ``NOTHING`` before the first.
            x: the tokens' inputs, (N, 1, n, features).
            observed: given the run of these tokens, what sees every node's result.

        Raises:
            DeployError: the network is laid out for fewer tokens.
        """
        first, stop = held.tokens, held.tokens + np.shape(x)[-2]
        if stop > self.window:
            raise DeployError(f"{stop} tokens; the network was converted for {self.window}")
        part = PartForm(self.part(first, stop), self.dtype, False, self.device, self.backend)
        part.go_on(held, self.answers)
        outputs = part.real(part.run(x, None if observed is None else observed(part)))
        return outputs, Held(stop, part.traces)


class PartForm(ClosedForm):
    """The closed form of some tokens, whose products read the traces of earlier ones too.

    Attributes:
        held: by product, the spikes of earlier tokens.
        traces: by product, those and the new tokens' behind them, as soon as it has run.
    """

    held: Mapping[str, torch.Tensor]
    traces: dict[str, torch.Tensor]

    def go_on(self, held: Held, answers: Mapping[str, Tokens]) -> None:
        """Begin behind what is held."""
        self.held, self.traces, self._answers = held.traces, {}, answers

    def _operands(self, name: str, sent: list[torch.Tensor]) -> list[torch.Tensor]:
        axis = self._answers[name].holds
        if axis is None:
            return sent
        own, reached = sent
        self.traces[name] = torch.cat([self.held[name], reached], axis) if name in self.held else reached.contiguous()
        return [own, self.traces[name]]
