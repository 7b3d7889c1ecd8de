"""The base of all Processes: named ports, each sending only within a window of the sample's steps.

The window belongs to the sender; a receiver looks it up along the connection, so both ends always agree
and outside the window no communication takes place at all.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from typing import Any, ClassVar

from lava.magma.core.process.ports.ports import AbstractPort, InPort, OutPort
from lava.magma.core.process.process import AbstractProcess

from processes.errors import DeployError
from processes.lava.record import Recording
from processes.operation import Emission, Stepper, Window

StepperFactory = Callable[[list[Window]], Stepper]


class SpikingProcess(AbstractProcess):
    """A Process that steps an operation through time, one sample after the other.

    Subclasses name their ports and bind the two ProcessModels; that is all::

        class DenseProcess(SpikingProcess):
            ports = {"s_in": "spikes", "a_out": "currents"}

        DenseProcessFloat, DenseProcessFixed = both_precisions(DenseProcess)

    Names end in ``_in`` or ``_out``; in ports are the stepper's operands, in order. With more than one out port the
    stepper returns one result per port. Spikes travel as int8, all else as float64 or int32.

    Args:
        stepper: called with the windows of the connected operands, in the operating-system process that will step.
        shapes: shape of one sample at each port.
        window: steps of a sample in which the out ports send; one for all or one per port.
        period: steps of a sample.
        record: where to record the out ports, by name.
    """

    ports: ClassVar[Mapping[str, Emission]] = {}

    def __init__(
        self,
        *,
        stepper: StepperFactory,
        shapes: Mapping[str, tuple[int, ...]],
        window: Window | Mapping[str, Window],
        period: int,
        record: Mapping[str, Recording] | None = None,
        name: str | None = None,
    ) -> None:
        root = logging.getLogger()
        handlers = list(root.handlers)
        super().__init__(process=self, name=name)
        root.handlers[:] = handlers  # Lava adds a console handler to the root logger for every Process
        self.stepper, self.period, self.record = stepper, period, dict(record or {})
        self.operands = [port for port in self.ports if port.endswith("_in")]
        self.outputs = [port for port in self.ports if port.endswith("_out")]
        self.windows = {port: window if isinstance(window, Window) else window[port] for port in self.outputs}
        for port, sends in self.windows.items():
            if not 0 <= sends.start < sends.stop <= period:
                raise DeployError(
                    f"{self.name}.{port}: window [{sends.start}, {sends.stop}) does not lie within the period of "
                    f"{period} steps; raise the period or move the window"
                )
        for port in self.ports:
            setattr(self, port, (InPort if port in self.operands else OutPort)(shape=tuple(shapes[port])))

    def run(self, condition: Any, run_cfg: Any = None, compile_config: Any = None) -> None:
        """Run as any Lava Process.

        Raises:
            DeployError: it has been stopped, by the user or because of an error; Lava would crash the interpreter.
        """
        if self._stopped():
            raise DeployError(f"'{self.name}' has been stopped; Lava cannot go on after stop(), so build it anew")
        super().run(condition, run_cfg, compile_config)
        if self._stopped():
            raise DeployError(f"an error stopped '{self.name}' or its neighbours; its traceback is above")

    def _stopped(self) -> bool:
        return self.runtime is not None and not self.runtime._open_ports

    def receives(self, port: str) -> Window:
        """When the in port gets messages: its senders' window, or every step if one is not a SpikingProcess.

        Raises:
            DeployError: its senders have different windows or another period.
        """
        everything = Window(0, self.period)
        senders: list[AbstractPort] = getattr(self, port).get_src_ports()
        windows = {self._sends(sender) for sender in senders}
        if len(windows) > 1:
            raise DeployError(f"{self.name}.{port}: its senders have different windows {windows}; use one in port each")
        return windows.pop() if windows else everything

    def sends(self, port: str) -> Window:
        """When the out port sends: its window, or every step if one of its receivers is not a SpikingProcess."""
        return self._sends(getattr(self, port))

    def _sends(self, port: AbstractPort) -> Window:
        ends = [port.process, *(receiver.process for receiver in port.get_dst_ports())]
        if not all(isinstance(end, SpikingProcess) for end in ends):
            return Window(0, self.period)
        if any(end.period != self.period for end in ends):
            raise DeployError(f"{self.name}: its period of {self.period} steps differs from its neighbours'")
        return port.process.windows[port.name]
