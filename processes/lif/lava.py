"""The integer LIF neuron as a Lava Process, stepping with :func:`processes.lif.step`."""

from __future__ import annotations

from typing import Any

import numpy as np
from lava.magma.core.decorator import implements, requires, tag
from lava.magma.core.model.py.model import PyLoihiProcessModel
from lava.magma.core.model.py.ports import PyInPort, PyOutPort
from lava.magma.core.model.py.type import LavaPyType
from lava.magma.core.process.ports.ports import InPort, OutPort
from lava.magma.core.process.process import AbstractProcess
from lava.magma.core.process.variable import Var
from lava.magma.core.resources import CPU
from lava.magma.core.sync.protocols.loihi_protocol import LoihiProtocol

from processes import lif


class LoihiLIF(AbstractProcess):
    """A population of integer LIF neurons, which integrates a step's input and sends its spikes in the same step.

    Ports: ``a_in`` synaptic input, int32; ``s_out`` spikes, 0 or 1. Vars, after each step: current ``u``, voltage ``v``
    after reset, and ``overflows``, the total since the start. A Lava ``Dense`` in front adds one step of delay.
    """

    def __init__(self, *, shape: tuple[int, ...], neuron: lif.LIF, name: str | None = None) -> None:
        super().__init__(shape=shape, neuron=neuron, name=name)
        self.a_in = InPort(shape=shape)
        self.s_out = OutPort(shape=shape)
        self.u = Var(shape=shape, init=0)
        self.v = Var(shape=shape, init=0)
        self.overflows = Var(shape=(1,), init=0)


@implements(proc=LoihiLIF, protocol=LoihiProtocol)
@requires(CPU)
@tag("bit_accurate_loihi", "fixed_pt")
class PyLoihiLIFFixed(PyLoihiProcessModel):
    """Fixed-point model of :class:`LoihiLIF`."""

    a_in: PyInPort = LavaPyType(PyInPort.VEC_DENSE, np.int32, precision=24)  # type: ignore[assignment]
    s_out: PyOutPort = LavaPyType(PyOutPort.VEC_DENSE, np.int32, precision=24)  # type: ignore[assignment]
    u: np.ndarray = LavaPyType(np.ndarray, np.int32, precision=24)  # type: ignore[assignment]
    v: np.ndarray = LavaPyType(np.ndarray, np.int32, precision=24)  # type: ignore[assignment]
    overflows: np.ndarray = LavaPyType(np.ndarray, np.int32)  # type: ignore[assignment]

    def __init__(self, proc_params: dict[str, Any]) -> None:
        super().__init__(proc_params)
        self.neuron: lif.LIF = proc_params["neuron"]

    def run_spk(self) -> None:
        """Take one time step: receive the input, integrate and fire, send the spikes."""
        before = lif.State(self.u.astype(np.int64), self.v.astype(np.int64), 0)
        after, spikes = lif.step(self.neuron, before, np.asarray(self.a_in.recv()))
        # In place: a monitor reads these very arrays.
        self.u[:], self.v[:] = after.u, after.v
        self.overflows += after.overflows
        self.s_out.send(spikes.astype(np.int32))
