"""A Process for one operation: what every class in ``processes/<operation>/lava.py`` derives from."""

from __future__ import annotations

from collections.abc import Mapping

from processes.lava.process import SpikingProcess, StepperFactory
from processes.lava.record import Recording
from processes.operation import Operation, Window


class OperationProcess(SpikingProcess):
    """Steps one operation through time.

    Args:
        op: the operation; with float arrays it takes the ``floating_pt`` model, with integer arrays ``fixed_pt``.
        operand_shapes: sample shape of each in port, in order.
        window: steps of a sample in which it sends (``op.window`` of its operands' windows).
        period: steps of a sample.
        stepper: makes a stepper other than the operation's own, for example with routing in front.
        record: where to record the output; None: nowhere.
        name: name of the Process.
    """

    def __init__(
        self,
        op: Operation,
        operand_shapes: list[tuple[int, ...]],
        window: Window,
        period: int,
        stepper: StepperFactory | None = None,
        record: Recording | None = None,
        name: str | None = None,
    ) -> None:
        inputs = [port for port in self.ports if port.endswith("_in")]
        output = next(port for port in self.ports if port.endswith("_out"))
        shapes: Mapping[str, tuple[int, ...]] = dict(zip(inputs, operand_shapes, strict=True)) | {output: op.shape}
        super().__init__(
            stepper=stepper or (lambda sources: op.stepper(window, sources)),
            shapes=shapes,
            window=window,
            period=period,
            record=None if record is None else {output: record},
            name=name,
        )
