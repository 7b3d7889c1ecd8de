"""Lava Process of SI-exp."""

from processes.lava.model import both_precisions
from processes.lava.operation import OperationProcess


class SiExpProcess(OperationProcess, v_in="currents", s_out="spikes"):
    """Rows of potentials in, the spikes of their exponentials out."""


SiExpProcessFloat, SiExpProcessFixed = both_precisions(SiExpProcess)
