"""Lava Process of the WOSS inhibition network."""

from processes.lava.model import both_precisions
from processes.lava.operation import OperationProcess


class WossProcess(OperationProcess, v_in="currents", s_out="spikes"):
    """Integrates rows of potentials, finds their winners, lets the others follow."""


WossProcessFloat, WossProcessFixed = both_precisions(WossProcess)
