"""Placement of a network on the cores of a neuromorphic chip."""

from __future__ import annotations

from dataclasses import field

from deploy.schema.parts import Count, Mapping, part


@part
class PlacedLayer:
    """A population and the cores that it is split over.

    Attributes:
        name, op: of the population's node.
        neurons, synapses: size of the population.
        cores: how many cores it takes; ``first_core``: number of the first of them.
        fills_first: the resource that keeps a core from holding more of the population, in words.
        obstacles: why the population does not run on this chip, in words; empty if it does.
        tile: rows and columns of neurons of the population that one core holds; absent if no core can hold one neuron.
        use: by resource, what the fullest core takes; empty without a tile.
    """

    name: str
    op: str
    neurons: Count
    synapses: Count
    cores: Count
    first_core: Count
    fills_first: str
    obstacles: tuple[str, ...]
    tile: tuple[Count, Count] | None = None
    use: Mapping[str, Count] = field(default_factory=dict)


@part
class Placement:
    """Cores and chips that a network takes on one kind of chip.

    Attributes:
        cores, chips: how many are needed.
        fits: whether every layer runs on the chip.
        neurons, synapses: of the whole network.
        not_checked: resources of which no public limit is known.
        layers: the placement of each population.
        fills_first: the resource that splits most layers over several cores; absent if none is split.
        obstacles: what does not run on the chip, with the number of layers concerned.
        state_sets: most sets of state that a node has, so that samples may overlap.
    """

    cores: Count
    chips: Count
    fits: bool
    neurons: Count
    synapses: Count
    not_checked: tuple[str, ...]
    layers: tuple[PlacedLayer, ...]
    fills_first: str | None = None
    obstacles: Mapping[str, Count] = field(default_factory=dict)
    state_sets: Count = 1
