"""Lava Process of the readout."""

from processes.lava.model import both_precisions
from processes.lava.operation import OperationProcess


class ReadoutProcess(OperationProcess, v_in="currents", y_out="graded"):
    """Integrates the last layer and hands its potentials on."""


ReadoutProcessFloat, ReadoutProcessFixed = both_precisions(ReadoutProcess)
