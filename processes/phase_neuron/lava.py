"""Lava Process of the phase neuron; with a SourceProcess in front of it, the phase encoder."""

from processes.lava.model import both_precisions
from processes.lava.operation import OperationProcess
from processes.lava_process import process_of
from processes.phase_neuron import PhaseNeuron


class PhaseNeuronProcess(OperationProcess, v_in="currents", s_out="spikes"):
    """Integrates v_in (currents or one graded message) for a window, fires on s_out in the next."""


PhaseNeuronProcessFloat, PhaseNeuronProcessFixed = both_precisions(PhaseNeuronProcess)

process_of.always(PhaseNeuronProcess, PhaseNeuron)
