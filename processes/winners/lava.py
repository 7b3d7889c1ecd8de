"""Lava Process of k winners."""

from processes.lava.model import both_precisions
from processes.lava.operation import OperationProcess
from processes.lava_process import process_of
from processes.winners import Winners


class WinnersProcess(OperationProcess, s_in="spikes", s_out="spikes"):
    """Receives the spikes of each group; the k winners of each fire once, in the step after the window."""


WinnersProcessFloat, WinnersProcessFixed = both_precisions(WinnersProcess)

process_of.always(WinnersProcess, Winners)
