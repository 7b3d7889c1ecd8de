"""What a sample costs: joules by convention, NeuroBench's metrics, and the published formula of FLOPs times firing rate."""

from __future__ import annotations

from dataclasses import field
from typing import Annotated, Literal

from pydantic import Field

from deploy.schema.parts import Count, Mapping, Number, part


@part
class Term:
    """One price of a convention times the events that it is paid for.

    what: in words. event: the counted event's name. picojoules_each: the price. microjoules: of a sample. source: of the
    price. omitted: whether the convention's own source leaves these events out.
    """

    what: str
    event: str
    picojoules_each: Number
    microjoules: Number
    source: str
    omitted: bool = False


@part
class BreakEven:
    """When the spiking network is cheaper: "below" or "above" ``at``, "always" or "never"; ``now``: the value as run."""

    now: Number
    cheaper: Literal["below", "above", "always", "never"]
    at: Number | None = None


@part
class OriginalCost:
    """The original network in one arithmetic.

    microjoules: as the convention's source would count. microjoules_with_omitted: everything, if that is more.
    break_even: by the quantity that is varied (spikes_per_neuron, timesteps, tokens), all else equal.
    """

    microjoules: Number
    microjoules_with_omitted: Number | None = None
    terms: tuple[Term, ...] = ()
    break_even: Mapping[str, BreakEven] = field(default_factory=dict)

    @property
    def everything(self) -> float:
        """Microjoules of everything that was counted."""
        return self.microjoules if self.microjoules_with_omitted is None else self.microjoules_with_omitted


@part
class Originals:
    """The original network in 32-bit floating point and in 8-bit integers."""

    fp32: OriginalCost
    int8: OriginalCost

    def items(self) -> tuple[tuple[str, OriginalCost], ...]:
        """(name, cost) of each arithmetic."""
        return ("fp32", self.fp32), ("int8", self.int8)


@part
class Cost:
    """One energy convention applied to the events of a sample.

    title, about, source: of the convention. snn_microjoules: of the spiking network as the source would count.
    snn_microjoules_low: at the lower end of its prices, where it gives a range. snn_microjoules_with_omitted: everything
    that was counted, if that is more.
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
        """Microjoules of everything that was counted in the spiking network."""
        return self.snn_microjoules if self.snn_microjoules_with_omitted is None else self.snn_microjoules_with_omitted


@part
class SynapticOperations:
    """NeuroBench's synaptic operations of a sample; dense ones add every synapse in every step of a window."""

    effective_macs: Annotated[Count, Field(alias="Effective_MACs")]
    effective_acs: Annotated[Number, Field(alias="Effective_ACs")]
    dense: Annotated[Count, Field(alias="Dense")]


@part
class NeuroBench:
    """NeuroBench's metrics under NeuroBench's names (2.x): footprint in bytes, sparsities as shares, work of a sample."""

    footprint: Annotated[Count, Field(alias="Footprint")]
    synaptic_operations: Annotated[SynapticOperations, Field(alias="SynapticOperations")]
    membrane_updates: Annotated[Number, Field(alias="MembraneUpdates")]
    connection_sparsity: Annotated[Number | None, Field(alias="ConnectionSparsity")] = None
    activation_sparsity: Annotated[Number | None, Field(alias="ActivationSparsity")] = None


@part
class FlopsFormula:
    """FLOPs times firing rate, as published (SIT-conversion, section 4.1.2), of a sample.

    flops: multiply-accumulates of linear layers and convolutions. additions: those times the spikes per neuron that feed
    them. microjoules: at 45 nm; ``omitted``: what the formula has no term for, at the same prices.
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
