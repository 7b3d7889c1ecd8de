"""Networks in standard NIR nodes only (LIF, Affine, Conv2d), spike for spike what their closed form says.

    network --stages--> stages --phase or rate--> neurons and pulses --graph, in a dialect--> Plain: a NIR graph

A stage is a synapse and the neurons behind it. It integrates what it receives for one window of S steps and fires in the
next, while the stage behind it integrates. What NIR's LIF lacks for that (a bias that acts once, waiting, moving
thresholds) comes as pulses: further channels of the input, handed on by one relay neuron each in every layer that they
pass. They depend on nothing but the step.
"""

from targets.nir_plain.dialects import DIALECTS, Dialect
from targets.nir_plain.file import store_plain, write_plain
from targets.nir_plain.form import form_of
from targets.nir_plain.graph import Plain, plain_network
from targets.nir_plain.phase import Phase
from targets.nir_plain.rate import Rate
from targets.nir_plain.stages import Stage, stages_of

__all__ = [
    "DIALECTS",
    "Dialect",
    "Phase",
    "Plain",
    "Rate",
    "Stage",
    "form_of",
    "plain_network",
    "stages_of",
    "store_plain",
    "write_plain",
]
