"""Exports networks in standard NIR nodes only (LIF, Affine, Conv2d), spike for spike equal to their closed form.

    network --stages--> stages --phase or rate--> neurons and pulses --graph, in a dialect--> Plain: a NIR graph

A stage is a synapse and the neurons behind it. It integrates its input for one window of S steps and fires in the next
window, while the following stage integrates. What NIR's LIF lacks for that (a bias that acts once, waiting, moving
thresholds) is supplied by pulses: further channels of the input, which depend on the time step only, and which one
relay neuron each passes on in every layer that they cross.
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
