"""The base of all Processes: named ports, each sending only within a window of the sample's steps.

The window belongs to the sender; a receiver looks it up along the connection, so both ends always agree
and outside the window no communication takes place.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from lava.magma.core.process.ports.ports import InPort, OutPort
from lava.magma.core.process.process import AbstractProcess

from processes.errors import DeployError
from processes.lava.record import Recording
from processes.operation import Emission, Stepper, Window

StepperFactory = Callable[[list[Window]], Stepper]
"""Makes a stepper, given the windows of its operands."""


@dataclass(frozen=True)
class Following:
    """``samples`` samples that begin every ``interval`` steps; several are under way at once if one takes longer."""

    interval: int
    samples: int

    def in_flight(self, period: int) -> int:
        """Most samples under way at once, each of ``period`` steps."""
        return -(-period // self.interval)

    def under_way(self, step: int, period: int) -> Iterator[tuple[int, int]]:
        """Number and own step of every sample under way at ``step`` of the run, in the order in which they began."""
        first = max(0, (step - period) // self.interval + 1)
        for sample in range(first, min(self.samples - 1, step // self.interval) + 1):
            yield sample, step - sample * self.interval


class SpikingProcess(AbstractProcess):
    """A Process that steps an operation through time, one sample after the other.

    Subclasses name their ports and bind the two ProcessModels; that is all::

        class DenseProcess(SpikingProcess, s_in="spikes", a_out="currents"):
            pass

        DenseProcessFloat, DenseProcessFixed = both_precisions(DenseProcess)

    Names end in ``_in`` or ``_out``; in ports are the stepper's operands, in order. With several out ports
    the stepper returns a list, one result per port. Spikes travel as int8, all else as float64 or int32.

    Args:
        stepper: called with the windows of the connected operands, in the child process that will step it.
        shapes: shape of one sample at each port.
        window: steps of a sample in which the out ports send; one for all or one per port.
        period: steps of a sample.
        record: where to record the out ports, by name.

    Attributes:
        following: how samples follow each other, to be set before the run; None if each begins when the one before has
            ended. Every sample that is under way has a stepper of its own, all from the same factory.

    Raises:
        DeployError: a window does not lie within the period.
    """

    ports: ClassVar[Mapping[str, Emission]] = {}
    models: ClassVar[tuple[type[Any], ...]] = ()

    if TYPE_CHECKING:

        def __getattr__(self, name: str) -> Any:
            """The ports, which a type checker cannot see."""

    def __init_subclass__(cls, **ports: Emission) -> None:
        if ports:
            cls.ports, cls.models = ports, ()

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
        self.following: Following | None = None
        self.operands = [port for port in self.ports if port.endswith("_in")]
        self.outputs = [port for port in self.ports if port.endswith("_out")]
        self.windows = {port: window if isinstance(window, Window) else window[port] for port in self.outputs}
        for port, sends in self.windows.items():
            if not 0 <= sends.start < sends.stop <= period:
                raise DeployError(
                    f"{self.name}.{port}: window [{sends.start}, {sends.stop}) does not lie within the "
                    f"period of {period} steps; raise the period or move the window"
                )
        for port in self.ports:
            setattr(self, port, (InPort if port in self.operands else OutPort)(shape=tuple(shapes[port])))

    def run(self, condition: Any, run_cfg: Any = None, compile_config: Any = None) -> None:
        """Run as any Lava Process.

        Raises:
            DeployError: the Process had been stopped before, where Lava would crash the interpreter, or an error
                stopped it.
        """
        if self._stopped():
            raise DeployError(f"'{self.name}' has been stopped; Lava cannot go on after that: build it anew")
        super().run(condition, run_cfg, compile_config)
        if self._stopped():
            raise DeployError(f"an error stopped '{self.name}' or its neighbours; its traceback is above")

    def _stopped(self) -> bool:
        return self.runtime is not None and not self.runtime._open_ports

    def receives(self, port: str) -> Window:
        """Steps in which an in port gets messages: its senders' window, or all if one is not a SpikingProcess.

        Raises:
            DeployError: its senders have different windows or another period.
        """
        everything = Window(0, self.period)
        senders = getattr(self, port).get_src_ports()
        windows = {self._sends(sender) for sender in senders}
        if len(windows) > 1:
            raise DeployError(f"{self.name}.{port}: its senders' windows differ; give each its own in port")
        return windows.pop() if windows else everything

    def sends(self, port: str) -> Window:
        """Steps in which an out port sends: its window, or all if a receiver is not a SpikingProcess.

        Raises:
            DeployError: a receiver has another period.
        """
        return self._sends(getattr(self, port))

    def _sends(self, port: Any) -> Window:
        sender, receivers = port.process, [receiver.process for receiver in port.get_dst_ports()]
        if not all(isinstance(end, SpikingProcess) for end in [sender, *receivers]):
            return Window(0, self.period)
        for end in [sender, *receivers]:
            if end.period != self.period:
                raise DeployError(f"'{end.name}' and '{self.name}' differ in steps a sample; make them equal")
        return sender.windows[port.name]
