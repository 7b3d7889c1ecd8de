"""Traits with what reports say about an operation, answered in ``words.py`` of its folder.

A report promises that its list of what is not spiking is complete. It is, because every operation has to state which
part of it is not binary spikes, or that none is.
"""

from __future__ import annotations

from typing import Literal, NamedTuple

from processes.operation import Operation
from processes.traits import Trait


class NotSpikes(NamedTuple):
    """A part of an operation that is not binary spikes.

    Attributes:
        what: the part in a few words, as a heading.
        why: how it works, and why, in words.
        numbers: how many numbers are sent for each sample, 0 if none are.
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
"""The part of an operation that is not binary spikes, None if there is none; the argument says in words how graded
spikes carry their numbers ("of up to 24 bits")."""

role: Trait[[Place], str] = Trait("words", "what it is for")
"""What an operation is for in its network, in words."""

meaning: Trait[[], str] = Trait("words", "what it does")
"""What operations of a class do, in words that follow their name and a colon."""

kind: Trait[[], Kind] = Trait("words", "what kind of operation it is")
"""What operations of a class are for, in one word, which chooses their colour in drawings of a placement."""

NO_STAGE = "its currents belong to the stage that integrates them"


def of_neurons(function: str, place: Place) -> str:
    """Role of neurons that each compute ``function`` of one potential: a code, or an activation."""
    if place.reads_input:
        return "code of the input"
    return "code of a linear result" if function == "identity" else f"activation ({function})"
