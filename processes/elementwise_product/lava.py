"""Lava Process of elementwise products."""

from __future__ import annotations

from processes.elementwise_product import ElementwiseProduct
from processes.lava.model import both_precisions
from processes.lava.operation import OperationProcess
from processes.lava_process import process_of


class ElementwiseProductProcess(OperationProcess, a_in="spikes", b_in="spikes", v_out="currents"):
    """Receives two spike trains, and sends the currents of their elementwise product."""


ElementwiseProductProcessFloat, ElementwiseProductProcessFixed = both_precisions(ElementwiseProductProcess)
process_of.always(ElementwiseProductProcess, ElementwiseProduct)
