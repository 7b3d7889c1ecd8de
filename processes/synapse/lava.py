"""Lava Processes of the event-driven synapses."""

from processes.lava.model import both_precisions
from processes.lava.operation import OperationProcess
from processes.lava_process import process_of
from processes.synapse import ConvSynapse, DenseSynapse, ScaleSynapse


class DenseProcess(OperationProcess, s_in="spikes", a_out="currents"):
    """Dense synapses: spikes on s_in meet weights along the last axis, currents leave on a_out."""


class ConvProcess(OperationProcess, s_in="spikes", a_out="currents"):
    """Convolutional synapses: spikes on s_in meet 2-D kernels, currents leave on a_out."""


class ScaleProcess(OperationProcess, s_in="spikes", a_out="currents"):
    """One synapse per spiking neuron on s_in, pooled or not; currents leave on a_out."""


DenseProcessFloat, DenseProcessFixed = both_precisions(DenseProcess)
ConvProcessFloat, ConvProcessFixed = both_precisions(ConvProcess)
ScaleProcessFloat, ScaleProcessFixed = both_precisions(ScaleProcess)

process_of.always(DenseProcess, DenseSynapse)
process_of.always(ConvProcess, ConvSynapse)
process_of.always(ScaleProcess, ScaleSynapse)
