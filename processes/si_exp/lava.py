"""Lava Process of SI-exp."""

from processes.lava.model import both_precisions
from processes.lava.operation import OperationProcess
from processes.lava_process import process_of
from processes.si_exp import SiExp


class SiExpProcess(OperationProcess, v_in="currents", s_out="spikes"):
    """Receives currents of rows of logits, and sends the spikes of their exponentials."""


class MaskedSiExpProcess(OperationProcess, v_in="currents", m_in="graded", s_out="spikes"):
    """Receives currents of rows of logits and a graded mask of the keys, and sends the spikes of their exponentials."""


SiExpProcessFloat, SiExpProcessFixed = both_precisions(SiExpProcess)
MaskedSiExpProcessFloat, MaskedSiExpProcessFixed = both_precisions(MaskedSiExpProcess)


@process_of.of(SiExp)
def _(op: SiExp, operands: int) -> type[OperationProcess]:
    """The Process class for one operand, or for two, of which the second says which keys take part."""
    return SiExpProcess if operands == 1 else MaskedSiExpProcess
