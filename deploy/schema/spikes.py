"""How much a network spikes, and what in it does not."""

from __future__ import annotations

from deploy.schema.parts import Count, Number, part


@part
class Spikes:
    """Spikes of the whole network for one sample, on average.

    per_neuron: of one neuron; absent if no node fires. neurons: how many can fire.
    """

    total_per_sample: Number
    per_neuron: Number | None = None
    neurons: Count | None = None


@part
class NotSpiking:
    """Something that is not binary spikes.

    what, why: in words. nodes: how many of the network's nodes do it. numbers_per_sample: how many numbers are sent from
    there for one sample, 0 if none are.
    """

    what: str
    why: str
    nodes: Count
    numbers_per_sample: Count
