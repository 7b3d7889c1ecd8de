"""Lava Processes of the WOSS inhibition network."""

from processes.lava.model import both_precisions
from processes.lava.operation import OperationProcess
from processes.lava_process import process_of
from processes.woss import Woss


class WossProcess(OperationProcess, v_in="currents", s_out="spikes"):
    """Integrates rows of potentials from v_in, finds their winners, and fires on s_out behind these."""


class MaskedWossProcess(OperationProcess, v_in="currents", m_in="graded", s_out="spikes"):
    """As :class:`WossProcess`, but keys for which m_in brings 0 take no part in the sample."""


WossProcessFloat, WossProcessFixed = both_precisions(WossProcess)
MaskedWossProcessFloat, MaskedWossProcessFixed = both_precisions(MaskedWossProcess)


@process_of.of(Woss)
def _(op: Woss, operands: int) -> type[OperationProcess]:
    """The masked Process if there is a second operand, which says which keys take part."""
    return WossProcess if operands == 1 else MaskedWossProcess
