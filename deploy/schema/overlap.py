"""How closely samples may follow each other."""

from __future__ import annotations

from dataclasses import field

from deploy.schema.parts import Count, Mapping, Number, part


@part
class Overlap:
    """Throughput if samples overlap: each begins before the answer to the previous one is there.

    Attributes:
        state_sets: most sets of state that a node may have, each of which holds one sample.
        interval: the smallest number of time steps between the inputs of two samples at which no node has to hold more
            samples than it may have sets of state.
        answers_per_1000_steps: 1000 / interval, the rate of a long run.
        binding: names of the nodes that allow no smaller interval.
        sets: number of sets by node, of the nodes that need more than one.
        memory_bits: memory of all sets but each node's first; absent if an operation's footprint is not known.
    """

    state_sets: Count
    interval: Count
    answers_per_1000_steps: Number
    binding: tuple[str, ...]
    sets: Mapping[str, Count] = field(default_factory=dict)
    memory_bits: Count | None = None
