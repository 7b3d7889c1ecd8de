"""Lava Processes of the event-driven synapses."""

from processes.lava.model import both_precisions
from processes.lava.operation import OperationProcess
from processes.lava_process import process_of
from processes.synapse import ConvSynapse, DenseSynapse, ScaleSynapse


class DenseProcess(OperationProcess, s_in="spikes", a_out="currents"):
    """Shared weights along the last axis."""


class ConvProcess(OperationProcess, s_in="spikes", a_out="currents"):
    """2-D convolution."""


class ScaleProcess(OperationProcess, s_in="spikes", a_out="currents"):
    """One synapse per neuron, or pooling."""


DenseProcessFloat, DenseProcessFixed = both_precisions(DenseProcess)
ConvProcessFloat, ConvProcessFixed = both_precisions(ConvProcess)
ScaleProcessFloat, ScaleProcessFixed = both_precisions(ScaleProcess)

process_of.always(DenseProcess, DenseSynapse)
process_of.always(ConvProcess, ConvSynapse)
process_of.always(ScaleProcess, ScaleSynapse)
