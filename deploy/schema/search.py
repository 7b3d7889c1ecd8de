"""Conversions of one model under many settings: the points of a sweep, or of a search within a budget."""

from __future__ import annotations

from dataclasses import field
from typing import Literal, TypeAlias

from deploy.schema.options import Options
from deploy.schema.parts import Count, Fraction, Mapping, Number, part

LATENCY = "latency"
"""The name of the cost that is counted in time steps; every other cost is an energy convention's."""


@part
class Setting:
    """What a point differs in; tokens: the length that text was cut to, absent for all of it."""

    timesteps: Count
    base: Number | Literal["auto"]
    method: str
    precision: str
    spikes: Count | Literal["auto"]
    tokens: Count | None = None


@part
class Failed(Setting):
    """A point that could not be converted; failed: why."""

    failed: str


@part
class Joules:
    """Microjoules of a sample by one convention, everything counted: the spiking network, the original in both arithmetics."""

    title: str
    snn: Number
    fp32: Number
    int8: Number


@part
class Measured(Setting):
    """A point that was converted, and its closed form on the samples that it is judged on.

    Attributes:
        chosen_base: B that was chosen if ``base`` is "auto", else B.
        ann_accuracy, accuracy: of the original and of the spiking network; absent without labels.
        expected_loss: what the predictions that change cost in accuracy, as likely as the original takes each class to be
            (a share); expected_loss_error: its standard error.
        ann_perplexity, perplexity: of the original and of the spiking network; absent of all but language models.
        energy: by convention.
        seconds: to convert and measure.
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
        """Microjoules by an energy convention, or time steps for ``LATENCY``."""
        return self.latency_steps if name == LATENCY else self.energy[name].snn


Point: TypeAlias = Measured | Failed


@part
class Search:
    """Points, and by each cost (an energy convention, latency) the numbers of those on its Pareto front, cheapest first."""

    points: tuple[Point, ...]
    fronts: Mapping[str, tuple[Count, ...]] = field(default_factory=dict)


@part
class BudgetSearch(Search):
    """A search for the cheapest code within a budget.

    Attributes:
        limit: the budget as given; largest_loss: the same in the unit of ``loss``.
        measure: the field of a point that losses are taken from; loss: of the chosen point.
        cheapest: which cost counts, by ``convention`` if it is energy.
        calibrated_on, samples, shared_samples: how many samples set scales, how many others judged, and how many are in both.
        chosen: the chosen point's number.
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
    """What sweep.json holds; options: what all points share."""

    options: Options
