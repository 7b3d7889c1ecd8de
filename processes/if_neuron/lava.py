"""Lava Process of the integrate-and-fire neuron that fires while its input arrives."""

from processes.if_neuron import IfNeuron
from processes.lava.model import both_precisions
from processes.lava.operation import OperationProcess
from processes.lava_process import process_of


class IfNeuronProcess(OperationProcess, v_in="currents", s_out="spikes"):
    """Integrates the currents of v_in and fires on s_out, in the steps of their arrival or after they are complete."""


IfNeuronProcessFloat, IfNeuronProcessFixed = both_precisions(IfNeuronProcess)

process_of.always(IfNeuronProcess, IfNeuron)
