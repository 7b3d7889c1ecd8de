"""Conversions of one model with many settings: the points of a sweep, or of a search within a budget."""

from __future__ import annotations

from dataclasses import field
from typing import Literal, TypeAlias

from deploy.schema.options import Options
from deploy.schema.parts import Count, Fraction, Mapping, Number, part

LATENCY = "latency"
"""Name of the cost that is counted in time steps; every other cost bears the name of an energy convention."""


@part
class Setting:
    """Settings that distinguish a point from others.

    Attributes:
        timesteps, base, method, precision, spikes: as the options of `deploy convert`.
        tokens: length that text was cut to, or of a language model's windows; absent if no length was set.
    """

    timesteps: Count
    base: Number | Literal["auto"]
    method: str
    precision: str
    spikes: Count | Literal["auto"]
    tokens: Count | None = None


@part
class Failed(Setting):
    """A point that could not be converted; ``failed``: the error message."""

    failed: str


@part
class Joules:
    """Microjoules of one sample of the spiking network and the original, by one convention, omitted terms included."""

    title: str
    snn: Number
    fp32: Number
    int8: Number


@part
class Measured(Setting):
    """A point that was converted and measured by its closed form.

    Attributes:
        chosen_base: B that was chosen if ``base`` is "auto", else B.
        samples: how many samples the point was measured on.
        latency_steps: time steps from a sample's first input to its readout.
        saturations: clipped potentials, over all samples.
        synaptic_operations: of one sample.
        energy: by convention.
        seconds: to convert and measure.
        spikes_per_neuron: of one sample, on average.
        ann_accuracy, accuracy: of the original and of the spiking network; absent without labels.
        expected_loss, expected_loss_error: mean over samples of p(the original's class) - p(the class predicted
            instead), p being the softmax of the original's scores, and its standard error; absent of models without
            classes.
        agreement, output_cosine, relative_error: as of :class:`deploy.schema.Rung`.
        ann_perplexity, perplexity: of the original and of the spiking network; absent of models that are no language
            models.
    """

    chosen_base: Number
    samples: Count
    latency_steps: Count
    saturations: Count
    synaptic_operations: Number
    energy: Mapping[str, Joules]
    seconds: Number
    spikes_per_neuron: Number | None = None
    ann_accuracy: Fraction | None = None
    accuracy: Fraction | None = None
    expected_loss: Number | None = None
    expected_loss_error: Number | None = None
    agreement: Fraction | None = None
    output_cosine: Number | None = None
    relative_error: Number | None = None
    ann_perplexity: Number | None = None
    perplexity: Number | None = None

    def cost(self, name: str) -> float:
        """Microjoules of one sample by the energy convention ``name``, or time steps if ``name`` is ``LATENCY``."""
        return self.latency_steps if name == LATENCY else self.energy[name].snn


Point: TypeAlias = Measured | Failed


@part
class Search:
    """Points of a search, with a Pareto front for each cost.

    Attributes:
        points: all points, failed ones included.
        fronts: by cost (an energy convention, or ``LATENCY``), indices of the points on its Pareto front, cheapest
            first.
    """

    points: tuple[Point, ...]
    fronts: Mapping[str, tuple[Count, ...]] = field(default_factory=dict)


@part
class BudgetSearch(Search):
    """A search for the cheapest code within a budget.

    Attributes:
        limit: the budget as given.
        largest_loss: the largest loss within the budget, in percentage points or as 1 - cosine.
        measure: the field of a point that its loss is computed from.
        loss: of the chosen point, in the unit of ``largest_loss``.
        cheapest: the cost that the search minimises.
        convention: the energy convention that it counts by.
        calibrated_on, samples, shared_samples: how many samples set the scales, how many held-back ones judged the
            points, and how many of these are in both sets.
        chosen: index of the chosen point.
    """

    limit: str
    largest_loss: Number
    measure: str
    loss: Number
    cheapest: Literal["energy", "latency"]
    convention: str
    calibrated_on: Count
    samples: Count
    shared_samples: Count
    chosen: Count


@part
class Sweep(Search):
    """The content of sweep.json; ``options``: those that all points share."""

    options: Options
