"""Lava Process of max pooling."""

from processes.lava.model import both_precisions
from processes.lava.operation import OperationProcess
from processes.lava_process import process_of
from processes.max_pool import MaxPool


class MaxPoolProcess(OperationProcess, s_in="spikes", s_out="spikes"):
    """Receives spikes, and sends those of the largest value of each field a step after their arrival."""


MaxPoolProcessFloat, MaxPoolProcessFixed = both_precisions(MaxPoolProcess)

process_of.always(MaxPoolProcess, MaxPool)
