"""Layer by layer: errors, spikes, saturations, and how each firing layer is coded."""

from __future__ import annotations

from dataclasses import field

from deploy.schema.parts import Count, Mapping, Number, part


@part
class Layer:
    """One node of the network, wiring left out.

    Attributes:
        name, op: the node and its operation.
        shape: of one sample, with a leading 1.
        start, stop: the steps of a sample in which it emits, [start, stop).
        error: |decoded - original| / |original| over a few samples; absent where the original is zero.
        errors: the same by the name of each rung.
        neurons, spikes, spikes_per_neuron: of a layer that fires; spikes of one sample, on average.
        saturations: potentials clipped at the width of the state over all samples; stepped_saturations: in those stepped.
        low_variance_rows: rows that a normalisation divides by a deviation too small for the code, over all samples.
        events: counted events of one sample, on average; those that never happened are absent.
    """

    name: str
    op: str
    shape: tuple[Count, ...]
    start: Count
    stop: Count
    error: Number | None = None
    errors: Mapping[str, Number] = field(default_factory=dict)
    neurons: Count | None = None
    spikes: Number | None = None
    spikes_per_neuron: Number | None = None
    saturations: Count | None = None
    stepped_saturations: Count | None = None
    low_variance_rows: Count | None = None
    events: Mapping[str, Number] = field(default_factory=dict)


@part
class Code:
    """How a firing layer is coded, and what choosing that gained.

    Attributes:
        base: B, the ratio of neighbouring levels.
        spikes: most spikes of a neuron in a window.
        timesteps: T, the steps of its window; absent of reports from before layers could differ in it.
        scale: the value of level 0, the largest of its channels.
        error_before, error_after: its share of the outputs' squared error, of what all layers were expected to make with the
            plain code (one base for all, scales at the calibrated maximum), before and after its own code was chosen.
        spikes_per_sample: expected.
        latest: the step after which there are no second spikes, of the first, the median and the last feature; absent if
            they may come until the window's end.
    """

    name: str
    base: Number
    spikes: Count
    scale: Number
    error_before: Number
    error_after: Number
    spikes_per_sample: Number
    latest: tuple[Count, Count, Count] | None = None
    timesteps: Count | None = None
