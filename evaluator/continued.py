"""Runs a causal network token by token: the neurons of earlier tokens hold their local traces (a key-value cache).

In Q K^T and A V the neurons of earlier tokens hold the traces of their keys and values, which depend on nothing later. So a
new token runs alone: the spikes of its query meet the held traces of the keys, its attention weights those of the
values, and all else depends on this token only. In fixed point every spike and potential equals that of a run over the
whole sequence (docs/language.md, Held traces).

The held state belongs to the run: operations keep nothing, and a :class:`Held` may be continued in several ways.
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
    """The local traces that the neurons of the first tokens hold.

    Attributes:
        tokens: the number of these tokens.
        traces: by product, the codes (planes, N, *shape) of its second operand, whose spikes the traces record.
    """

    tokens: int = 0
    traces: Mapping[str, torch.Tensor] = field(default_factory=dict)


NOTHING = Held()
"""The state before the first token: no traces."""


def answers(network: Network) -> dict[str, Tokens]:
    """How each node goes on with later tokens, by name.

    Raises:
        DeployError: the input is no sequence (1, tokens, features), or a node mixes tokens in a way that cannot go on;
            the message names the first such node.
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
    """Runs a network over a sequence in parts of one or more tokens.

    Attributes:
        network: a network with codes, whose output for a token depends only on the tokens up to it.
        dtype, device, backend: as of :class:`evaluator.closed_form.ClosedForm`.

    Raises:
        DeployError: a node of the network mixes tokens otherwise (:func:`answers`).
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
        """The number of tokens of the sequences for which the network was converted."""
        return self.network.input_shape[1]

    def part(self, first: int, stop: int) -> Network:
        """The network for tokens ``first`` to ``stop`` - 1 alone, whose products read all tokens before ``stop``."""
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
        """Run the next n tokens.

        Args:
            held: the traces of earlier tokens of the same samples; ``NOTHING`` before the first.
            x: inputs of the n tokens, (N, 1, n, features).
            observed: given the run of these tokens, returns the observer of every node's result.

        Returns:
            Outputs (N, 1, n, *output) in the model's units, and the traces held after these tokens.

        Raises:
            DeployError: these tokens exceed those for which the network was converted.
        """
        first, stop = held.tokens, held.tokens + np.shape(x)[-2]
        if stop > self.window:
            raise DeployError(f"{stop} tokens; the network was converted for {self.window}")
        part = PartForm(self.part(first, stop), self.dtype, False, self.device, self.backend)
        part.go_on(held, self.answers)
        outputs = part.real(part.run(x, None if observed is None else observed(part)))
        return outputs, Held(stop, part.traces)


class PartForm(ClosedForm):
    """The closed form of some tokens of a sequence, whose products read the traces of earlier tokens too.

    Attributes:
        held: by product, the codes of the second operand of earlier tokens.
        traces: by product, these codes followed by those of the new tokens, once the product has been evaluated.
    """

    held: Mapping[str, torch.Tensor]
    traces: dict[str, torch.Tensor]

    def go_on(self, held: Held, answers: Mapping[str, Tokens]) -> None:
        """Set the held traces that the run starts from; to be called before :meth:`run`."""
        self.held, self.traces, self._answers = held.traces, {}, answers

    def _operands(self, name: str, sent: list[torch.Tensor]) -> list[torch.Tensor]:
        axis = self._answers[name].holds
        if axis is None:
            return sent
        own, reached = sent
        self.traces[name] = torch.cat([self.held[name], reached], axis) if name in self.held else reached.contiguous()
        return [own, self.traces[name]]
