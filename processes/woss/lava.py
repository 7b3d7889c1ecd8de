"""Lava Processes of the WOSS inhibition network."""

from processes.lava.model import both_precisions
from processes.lava.operation import OperationProcess
from processes.lava_process import process_of
from processes.woss import Woss


class WossProcess(OperationProcess, v_in="currents", s_out="spikes"):
    """Integrates rows of potentials, finds their winners, lets the others follow."""


class MaskedWossProcess(OperationProcess, v_in="currents", m_in="graded", s_out="spikes"):
    """Rows that race, in which keys for which m_in brings 0 take no part in the sample."""


WossProcessFloat, WossProcessFixed = both_precisions(WossProcess)
MaskedWossProcessFloat, MaskedWossProcessFixed = both_precisions(MaskedWossProcess)


@process_of.of(Woss)
def _(op: Woss, operands: int) -> type[OperationProcess]:
    """With a second operand, that one says which keys take part."""
    return WossProcess if operands == 1 else MaskedWossProcess
