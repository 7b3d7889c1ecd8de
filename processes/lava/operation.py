"""A Process for one operation: what every class in ``processes/<operation>/lava.py`` derives from."""

from __future__ import annotations

from collections.abc import Mapping

from processes.lava.process import SpikingProcess, StepperFactory
from processes.lava.record import Recording
from processes.operation import Operation, Window


class OperationProcess(SpikingProcess):
    """Steps one operation through time.

    Args:
        op: the operation; its arrays, float or integer, fit ``floating_pt`` or ``fixed_pt`` models.
        operand_shapes: sample shape of each in port, in order.
        window: steps of a sample in which it sends (``op.window`` of its operands' windows).
        period: steps of a sample.
        stepper: instead of the operation's own (routing in front of it, say).
        record: the output, into a file.
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
