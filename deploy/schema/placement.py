"""A network on the cores of a chip."""

from __future__ import annotations

from dataclasses import field

from deploy.schema.parts import Count, Mapping, part


@part
class PlacedLayer:
    """A population on its cores.

    tile: rows and columns of synapses that one core holds, and use: what its fullest core takes of each resource; absent if
    no core can hold a row. fills_first: the resource that keeps the tile from being larger, in words. obstacles: why the
    population does not run there; empty if it does.
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
    """Cores and chips that a network takes.

    fits: whether every layer runs there. fills_first: the resource that cuts most layers; absent if none is cut.
    not_checked: resources of which no public number is known. obstacles: what does not run there, and in how many layers.
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
