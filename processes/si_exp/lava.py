"""Lava Process of SI-exp."""

from processes.lava.model import both_precisions
from processes.lava.operation import OperationProcess


class SiExpProcess(OperationProcess, v_in="currents", s_out="spikes"):
    """Rows of potentials in, the spikes of their exponentials out."""


class MaskedSiExpProcess(OperationProcess, v_in="currents", m_in="graded", s_out="spikes"):
    """The same, where a graded message says which keys take part."""


SiExpProcessFloat, SiExpProcessFixed = both_precisions(SiExpProcess)
MaskedSiExpProcessFloat, MaskedSiExpProcessFixed = both_precisions(MaskedSiExpProcess)
