"""Lava Process of SI-norm."""

from processes.lava.model import both_precisions
from processes.lava.operation import OperationProcess
from processes.lava_process import process_of
from processes.si_norm import SiNorm


class SiNormProcess(OperationProcess, s_in="spikes", s_out="spikes"):
    """The spikes of a row's exponentials in, those of their shares of the sum out."""


SiNormProcessFloat, SiNormProcessFixed = both_precisions(SiNormProcess)

process_of.always(SiNormProcess, SiNorm)
