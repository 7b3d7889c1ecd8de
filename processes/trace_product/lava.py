"""Lava Processes of the global trace and of the products it drives."""

import numpy as np

from processes.lava.model import both_precisions
from processes.lava.operation import OperationProcess
from processes.lava.process import SpikingProcess
from processes.lava_process import process_of
from processes.operation import Window
from processes.trace_product import SquareSum, TraceProduct
from processes.trace_product.stepper import TraceBroadcaster


class TraceBroadcasterProcess(SpikingProcess, p_out="graded"):
    """Sends on p_out (operands,) the trace p_k of each operand of a product at step k of its window, 0 outside it."""

    def __init__(self, trace: np.ndarray, windows: list[Window], period: int, name: str | None = None) -> None:
        super().__init__(
            stepper=lambda sources: TraceBroadcaster(trace, windows),
            shapes={"p_out": (len(windows),)},
            window=Window(min(w.start for w in windows), max(w.stop for w in windows)),
            period=period,
            name=name,
        )


class TraceProductProcess(OperationProcess, a_in="spikes", b_in="spikes", p_in="graded", v_out="currents"):
    """Receives two spike trains and the broadcast trace, and sends the currents of their matrix product."""


class SquareSumProcess(OperationProcess, s_in="spikes", q_out="currents"):
    """Receives a spike train, and sends the currents of its sum of squares."""


TraceBroadcasterProcessFloat, TraceBroadcasterProcessFixed = both_precisions(TraceBroadcasterProcess)
TraceProductProcessFloat, TraceProductProcessFixed = both_precisions(TraceProductProcess)
SquareSumProcessFloat, SquareSumProcessFixed = both_precisions(SquareSumProcess)

process_of.always(TraceProductProcess, TraceProduct)
process_of.always(SquareSumProcess, SquareSum)
