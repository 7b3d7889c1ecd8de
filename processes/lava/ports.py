"""Python ports that can send silence: nothing is copied for a message in which no neuron spikes."""

from __future__ import annotations

from typing import Any

import numpy as np
from lava.magma.core.model.py.ports import PyInPortVectorDense, PyOutPortVectorDense


class StepInPort(PyInPortVectorDense):
    """An in port whose messages are arrays or silence."""

    def take(self) -> np.ndarray | None:
        """This step's message, summed over the senders, of the port's shape and dtype; None if all are silent.

        Blocks until every sender has sent.
        """
        total: np.ndarray | None = None
        channel: Any
        for channel in self.csp_ports:
            if hasattr(channel, "take"):  # a channel of this project, which carries silence as None
                message = channel.take()
            else:
                message = channel.recv()
                message = message if message.any() else None
            if message is not None:
                assert self._transformer is not None
                message = self._transformer.transform(message, channel).astype(self._d_type, copy=False)
                total = message if total is None else total + message
        return total


class StepOutPort(PyOutPortVectorDense):
    """An out port that sends arrays or silence."""

    def fit(self, message: np.ndarray) -> np.ndarray:
        """``message`` in the port's dtype.

        Raises:
            ValueError: the message has another shape than the port.
            OverflowError: an integer does not fit the port's dtype; assignment would wrap around silently.
        """
        if message.shape != tuple(self._shape):
            raise ValueError(f"a message of shape {message.shape} on a port of shape {tuple(self._shape)}")
        if message.dtype == self._d_type:
            return message
        if np.issubdtype(self._d_type, np.integer) and message.size and message.dtype != bool:
            low, high, limits = message.min(), message.max(), np.iinfo(self._d_type)
            if low < limits.min or high > limits.max:
                raise OverflowError(f"a message from {low} to {high} on a port of {limits.bits} bits")
        return message.astype(self._d_type)

    def give(self, message: np.ndarray | None) -> None:
        """Send ``message``, of the port's shape and dtype, to all receivers; None stands for zeros."""
        channel: Any
        for channel in self.csp_ports:
            if hasattr(channel, "give"):
                channel.give(message)
            else:
                channel.send(np.zeros(self._shape, self._d_type) if message is None else message)
