"""Energy of one sample: joules by convention, NeuroBench's metrics, and the published formula of FLOPs times rates."""

from __future__ import annotations

from dataclasses import field
from typing import Annotated, Literal

from pydantic import Field

from deploy.schema.parts import Count, Mapping, Number, part


@part
class Term:
    """One term of an energy convention: a price per event times the counted events.

    Attributes:
        what: the term in words.
        event: name of the counted event (:data:`processes.events.EVENTS`).
        picojoules_each: price of one event.
        microjoules: energy of the term for one sample.
        source: where the price was published.
        omitted: whether the convention's own source leaves these events out of its total.
    """

    what: str
    event: str
    picojoules_each: Number
    microjoules: Number
    source: str
    omitted: bool = False


@part
class BreakEven:
    """Where the spiking network's energy meets the original's, as one quantity varies and all else stays.

    Attributes:
        now: value of the quantity in the run.
        cheaper: when the spiking network is cheaper: "below" or "above" ``at``, "always" or "never".
        at: value of the quantity at which both cost the same; absent of "always" and "never".
    """

    now: Number
    cheaper: Literal["below", "above", "always", "never"]
    at: Number | None = None


@part
class OriginalCost:
    """Energy of one sample of the original network in one arithmetic (FP32 or INT8), by one convention.

    Attributes:
        microjoules: total of the terms that the convention's source counts.
        microjoules_with_omitted: total of all terms; absent if the source omits none.
        terms: all terms, omitted ones included.
        break_even: by the quantity that is varied (spikes_per_neuron, timesteps, tokens), with all terms on both sides.
    """

    microjoules: Number
    microjoules_with_omitted: Number | None = None
    terms: tuple[Term, ...] = ()
    break_even: Mapping[str, BreakEven] = field(default_factory=dict)

    @property
    def everything(self) -> float:
        """Microjoules of all terms, omitted ones included."""
        return self.microjoules if self.microjoules_with_omitted is None else self.microjoules_with_omitted


@part
class Originals:
    """Energy of the original network in 32-bit floating point and in 8-bit integers."""

    fp32: OriginalCost
    int8: OriginalCost

    def items(self) -> tuple[tuple[str, OriginalCost], ...]:
        """Pairs (name, cost) of both arithmetics: ``fp32`` and ``int8``."""
        return ("fp32", self.fp32), ("int8", self.int8)


@part
class Cost:
    """One energy convention applied to the events of a sample.

    Attributes:
        title, about, source: name, description and publication of the convention.
        snn_microjoules: the spiking network, terms that the source counts.
        snn_terms: terms of the spiking network, omitted ones included.
        ann: the original network.
        snn_microjoules_low: ``snn_microjoules`` at the lower end of the prices; absent if the source gives no ranges.
        snn_microjoules_with_omitted: the spiking network, all terms; absent if the source omits none.
    """

    title: str
    about: str
    source: str
    snn_microjoules: Number
    snn_terms: tuple[Term, ...]
    ann: Originals
    snn_microjoules_low: Number | None = None
    snn_microjoules_with_omitted: Number | None = None

    @property
    def everything(self) -> float:
        """Microjoules of all terms of the spiking network, omitted ones included."""
        return self.snn_microjoules if self.snn_microjoules_with_omitted is None else self.snn_microjoules_with_omitted


@part
class SynapticOperations:
    """NeuroBench's synaptic operations of one sample; ``dense`` adds every synapse in every time step of a window."""

    effective_macs: Annotated[Count, Field(alias="Effective_MACs")]
    effective_acs: Annotated[Number, Field(alias="Effective_ACs")]
    dense: Annotated[Count, Field(alias="Dense")]


@part
class NeuroBench:
    """NeuroBench's metrics by its names (2.x): footprint in bytes, sparsities as shares, operations of one sample."""

    footprint: Annotated[Count, Field(alias="Footprint")]
    synaptic_operations: Annotated[SynapticOperations, Field(alias="SynapticOperations")]
    membrane_updates: Annotated[Number, Field(alias="MembraneUpdates")]
    connection_sparsity: Annotated[Number | None, Field(alias="ConnectionSparsity")] = None
    activation_sparsity: Annotated[Number | None, Field(alias="ActivationSparsity")] = None


@part
class FlopsFormula:
    """Energy of one sample as FLOPs times firing rate, as published (SIT-conversion, section 4.1.2), at 45 nm.

    Attributes:
        source: where the formula and its prices were published.
        flops: multiply-accumulates of linear layers and convolutions.
        additions: sum over these layers of their multiply-accumulates times the spikes per neuron that feed them.
        snn_microjoules, ann_microjoules, ann_int8_microjoules: the formula for the spiking network, and for the
            original in FP32 and in INT8.
        snn_omitted_microjoules, ann_omitted_microjoules, ann_int8_omitted_microjoules: operations counted in other
            layers, for which the formula has no term, at the same prices.
    """

    source: str
    flops: Number
    additions: Number
    snn_microjoules: Number
    ann_microjoules: Number
    ann_int8_microjoules: Number
    snn_omitted_microjoules: Number
    ann_omitted_microjoules: Number
    ann_int8_omitted_microjoules: Number
