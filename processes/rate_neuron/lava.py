"""Lava Process of the rate-coded integrate-and-fire neuron."""

from processes.lava.model import both_precisions
from processes.lava.operation import OperationProcess
from processes.lava_process import process_of
from processes.rate_neuron import RateNeuron


class RateNeuronProcess(OperationProcess, v_in="currents", s_out="spikes"):
    """Integrates the currents of v_in for a window, and fires on s_out in the next, as often as theta fits into v."""


RateNeuronProcessFloat, RateNeuronProcessFixed = both_precisions(RateNeuronProcess)

process_of.always(RateNeuronProcess, RateNeuron)
