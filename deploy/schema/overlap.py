"""How closely samples may follow each other."""

from __future__ import annotations

from dataclasses import field

from deploy.schema.parts import Count, Mapping, Number, part


@part
class Overlap:
    """Samples that begin before the answer to the one before is there.

    Attributes:
        state_sets: most sets of state that a node may have.
        interval: steps from a sample's input to the next one's, the smallest at which no node is asked to hold more samples
            than it has sets. answers_per_1000_steps: of a long run.
        binding: nodes that allow no smaller interval.
        sets: of the nodes that need more than one, how many.
        memory_bits: of all sets but the first; absent for operations of which no footprint is known.
    """

    state_sets: Count
    interval: Count
    answers_per_1000_steps: Number
    binding: tuple[str, ...]
    sets: Mapping[str, Count] = field(default_factory=dict)
    memory_bits: Count | None = None
