"""Report entries for each layer: errors, spikes, saturations, and the code of each firing layer."""

from __future__ import annotations

from dataclasses import field

from deploy.schema.parts import Count, Mapping, Number, part


@part
class Layer:
    """One node of the network; wiring nodes have no entry.

    Attributes:
        name, op: names of the node and of its operation.
        shape: of the node's output for one sample, with a leading 1.
        start, stop: the time steps of a sample in which the node emits, [start, stop).
        error: |decoded - original| / |original| (L2 norm) over a few samples, of the last rung that ran all samples;
            absent where the original is zero.
        errors: relative error, defined as ``error``, by the name of each rung.
        neurons, spikes, spikes_per_neuron: of a layer that fires; spikes of one sample, on average.
        saturations: potentials clipped at the width of the state, over all samples.
        stepped_saturations: potentials clipped in the samples that the target stepped.
        low_variance_rows: rows that a normalisation divides by a deviation too small for the code, over all samples.
        events: counted events of one sample, on average; events that never happened are absent.
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
    """The code of a firing layer, and the error that choosing this code took away.

    Attributes:
        name: of the node.
        base: B, the ratio of neighbouring levels.
        spikes: most spikes of a neuron in a window.
        scale: the value of level 0, the largest of the layer's channels.
        error_before, error_after: expected squared error of the outputs due to this layer, with the plain code (one
            base for all, scales at the calibrated maximum) and with its own code, as shares of all layers' sum with the
            plain code.
        spikes_per_sample: expected spikes of the layer.
        latest: the step after which second spikes are not sent: least, median and largest over the features; absent if
            they may come until the window's end.
        timesteps: T, the time steps of the layer's window; absent of reports written when all layers had one T.
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
