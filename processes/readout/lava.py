"""Lava Process of the readout."""

from processes.lava.model import both_precisions
from processes.lava.operation import OperationProcess
from processes.lava_process import process_of
from processes.readout import Readout


class ReadoutProcess(OperationProcess, v_in="currents", y_out="graded"):
    """Integrates the currents of the last layer, and sends the potentials once as graded spikes."""


ReadoutProcessFloat, ReadoutProcessFixed = both_precisions(ReadoutProcess)

process_of.always(ReadoutProcess, Readout)
