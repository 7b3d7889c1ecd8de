"""Lava Processes of the dynamic-threshold neuron: after softmax, and for LayerNorm."""

from processes.dynamic_threshold import DynamicThreshold
from processes.lava.model import both_precisions
from processes.lava.operation import OperationProcess
from processes.lava_process import process_of


class SoftmaxDivisionProcess(OperationProcess, v_in="currents", e_in="spikes", s_out="spikes"):
    """Softmax's division: V arrives on v_in, the spikes of e, whose sum divides V, on e_in."""


class NormDivisionProcess(OperationProcess, c_in="graded", q_in="currents", s_out="spikes"):
    """LayerNorm's division: the centred c arrives on c_in, its sum of squares on q_in."""


SoftmaxDivisionProcessFloat, SoftmaxDivisionProcessFixed = both_precisions(SoftmaxDivisionProcess)
NormDivisionProcessFloat, NormDivisionProcessFixed = both_precisions(NormDivisionProcess)


@process_of.of(DynamicThreshold)
def _(op: DynamicThreshold, operands: int) -> type[OperationProcess]:
    """The Process of a norm or of a softmax."""
    return NormDivisionProcess if op.squared else SoftmaxDivisionProcess
