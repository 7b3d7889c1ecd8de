"""The table of all operations, ``OPERATIONS``; importing this file imports every operation's folder.

Reports list operations in the order of the table: synapses, neurons, residual streams, the parts of softmax, products
and normalisation, and what holds a network together (readout and routes).
"""

from __future__ import annotations

from processes.dynamic_threshold import DynamicThreshold
from processes.elementwise_product import ElementwiseProduct
from processes.if_neuron import IfNeuron
from processes.max_pool import MaxPool
from processes.operation import Operation
from processes.phase_neuron import PhaseNeuron
from processes.rate_neuron import RateNeuron
from processes.readout import Readout
from processes.residual import Centre, Residual
from processes.routing import Route
from processes.si_exp import SiExp
from processes.si_neuron import SiNeuron
from processes.si_norm import SiNorm
from processes.synapse import ConvSynapse, DenseSynapse, ScaleSynapse
from processes.trace_product import SquareSum, TraceProduct
from processes.winners import Winners
from processes.woss import Woss

OPERATIONS: tuple[type[Operation], ...] = (
    DenseSynapse,
    ConvSynapse,
    ScaleSynapse,
    PhaseNeuron,
    RateNeuron,
    IfNeuron,
    SiNeuron,
    MaxPool,
    Winners,
    Residual,
    Centre,
    Woss,
    SiExp,
    SiNorm,
    TraceProduct,
    SquareSum,
    ElementwiseProduct,
    DynamicThreshold,
    Readout,
    Route,
)
