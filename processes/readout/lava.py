"""Lava Process of the readout."""

from processes.lava.model import both_precisions
from processes.lava.operation import OperationProcess
from processes.lava_process import process_of
from processes.readout import Readout


class ReadoutProcess(OperationProcess, v_in="currents", y_out="graded"):
    """Integrates the last layer and hands its potentials on."""


ReadoutProcessFloat, ReadoutProcessFixed = both_precisions(ReadoutProcess)

process_of.always(ReadoutProcess, Readout)
