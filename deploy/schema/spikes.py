"""How many spikes a network sends, and which parts of it are not binary spikes."""

from __future__ import annotations

from deploy.schema.parts import Count, Number, part


@part
class Spikes:
    """Spikes of the whole network for one sample, on average.

    Attributes:
        total_per_sample: spikes of all neurons.
        per_neuron: spikes of one neuron; absent if the network has no firing node, or they were not counted.
        neurons: how many neurons can fire.
    """

    total_per_sample: Number
    per_neuron: Number | None = None
    neurons: Count | None = None


@part
class NotSpiking:
    """A part of the network that is not binary spikes.

    Attributes:
        what, why: the part and the reason, in words.
        nodes: how many of the network's nodes do this.
        numbers_per_sample: how many numbers these nodes send for one sample; 0 if they send none.
    """

    what: str
    why: str
    nodes: Count
    numbers_per_sample: Count
