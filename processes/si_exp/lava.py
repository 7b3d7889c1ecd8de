"""Lava Process of SI-exp."""

from processes.lava.model import both_precisions
from processes.lava.operation import OperationProcess
from processes.lava_process import process_of
from processes.si_exp import SiExp


class SiExpProcess(OperationProcess, v_in="currents", s_out="spikes"):
    """Rows of potentials in, the spikes of their exponentials out."""


class MaskedSiExpProcess(OperationProcess, v_in="currents", m_in="graded", s_out="spikes"):
    """Rows of potentials and a graded message of which keys take part in, the spikes of their exponentials out."""


SiExpProcessFloat, SiExpProcessFixed = both_precisions(SiExpProcess)
MaskedSiExpProcessFloat, MaskedSiExpProcessFixed = both_precisions(MaskedSiExpProcess)


@process_of.of(SiExp)
def _(op: SiExp, operands: int) -> type[OperationProcess]:
    """With a second operand, that one says which keys take part."""
    return SiExpProcess if operands == 1 else MaskedSiExpProcess
