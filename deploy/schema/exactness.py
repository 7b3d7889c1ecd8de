"""A stepped run against the closed form."""

from __future__ import annotations

from deploy.schema.parts import Count, part


@part
class Exactness:
    """How many spikes and potentials of a stepped run were compared with the closed form's, and how many differ.

    Attributes:
        compared_spikes: spikes compared, one for each spike that a neuron may send in its window, sent or not.
        mismatches: spikes, potentials and counts of saturations that differ.
        compared_potentials: potentials compared, one for each neuron that sends no spikes, for each sample.
        ties: spikes of a floating-point run that differ within 1e-5 of a threshold, which do not count as mismatches.
        samples: how many samples were stepped.
        saturations: potentials clipped in the stepped run; absent if the target does not count them.
        synaptic_operations: additions that the stepped run's spikes caused, over all samples.
        events_differing: number of pairs (layer, kind of event) whose counts differ from the closed form's.
        first: layer, neuron and step of the first mismatch in an evaluation; a conversion's report states it as
            :attr:`deploy.schema.Report.first_mismatch`.
    """

    compared_spikes: Count
    mismatches: Count
    compared_potentials: Count | None = None
    ties: Count | None = None
    samples: Count | None = None
    saturations: Count | None = None
    synaptic_operations: Count | None = None
    events_differing: Count | None = None
    first: str | None = None
