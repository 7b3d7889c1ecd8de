"""Lava Process of SI-norm."""

from processes.lava.model import both_precisions
from processes.lava.operation import OperationProcess


class SiNormProcess(OperationProcess, s_in="spikes", s_out="spikes"):
    """The spikes of a row's exponentials in, those of their shares of the sum out."""


SiNormProcessFloat, SiNormProcessFixed = both_precisions(SiNormProcess)
