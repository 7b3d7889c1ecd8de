"""Lava Process of the fitted neuron."""

from processes.lava.model import both_precisions
from processes.lava.operation import OperationProcess
from processes.lava_process import process_of
from processes.si_neuron import SiNeuron


class SiNeuronProcess(OperationProcess, v_in="currents", s_out="spikes"):
    """Integrates the currents of v_in, and fires on s_out by the fitted tables."""


SiNeuronProcessFloat, SiNeuronProcessFixed = both_precisions(SiNeuronProcess)

process_of.always(SiNeuronProcess, SiNeuron)
