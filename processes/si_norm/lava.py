"""Lava Process of SI-norm."""

from processes.lava.model import both_precisions
from processes.lava.operation import OperationProcess
from processes.lava_process import process_of
from processes.si_norm import SiNorm


class SiNormProcess(OperationProcess, s_in="spikes", s_out="spikes"):
    """Receives the spikes of rows of exponentials, and sends the spikes of their shares of the row's sum."""


SiNormProcessFloat, SiNormProcessFixed = both_precisions(SiNormProcess)

process_of.always(SiNormProcess, SiNorm)
