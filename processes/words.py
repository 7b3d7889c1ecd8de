"""What reports say about an operation: each says it of itself, in ``words.py`` of its folder.

A report promises that its list of what is not spikes is complete. It is, as every operation states what of it is not,
or that everything is.
"""

from __future__ import annotations

from typing import Literal, NamedTuple

from processes.operation import Operation
from processes.traits import Trait


class NotSpikes(NamedTuple):
    """Something of an operation that is not binary spikes.

    Attributes:
        what: what it is, a heading.
        why: how it works and why it is so, in words.
        numbers: numbers that are sent for each sample, 0 if none are.
    """

    what: str
    why: str
    numbers: int = 0


class Place(NamedTuple):
    """Where an operation stands in its network.

    Attributes:
        reads_input: whether its only operand is the network's input.
        readers: the operations that read it.
    """

    reads_input: bool
    readers: tuple[Operation, ...]


Kind = Literal["connections", "code", "activation", "normalisation", "softmax", "residual", "readout", "wiring"]

not_spikes: Trait[[str], NotSpikes | None] = Trait("words", "what of it is not spikes")
"""What of an operation is not binary spikes, given how graded spikes carry their numbers, in words ("of up to 24 bits");
None if everything is."""

role: Trait[[Place], str] = Trait("words", "what it is for")
"""What a stage of a network is for, in words."""

meaning: Trait[[], str] = Trait("words", "what it does")
"""What operations of a class do, in words that follow their name and a colon."""

kind: Trait[[], Kind] = Trait("words", "what kind of operation it is")
"""What operations of a class are for, in one word: colours of a placement."""

NO_STAGE = "its currents belong to the stage that integrates them"


def of_neurons(function: str, place: Place) -> str:
    """What neurons are for that compute a function of one potential each."""
    if place.reads_input:
        return "code of the input"
    return "code of a linear result" if function == "identity" else f"activation ({function})"
