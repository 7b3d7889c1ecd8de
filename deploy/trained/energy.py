"""The published formula of spiking transformers, and this package's conventions, on counted events of one network.

The published formula (Spikformer, ICLR 2023, and papers that follow it), where fr is the mean firing rate of the
operand that a layer or a product reads first, or the operand's share of non-zero values if it is no spikes::

    E = 4.6 pJ * MACs of the first layer + 0.9 pJ * sum over the other layers and products of fr * T * MACs

4.6 pJ is a multiplication and an addition, 0.9 pJ an addition in FP32 at 45 nm (M. Horowitz, ISSCC 2014).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from deploy.energy.conventions import AFTER, conventions
from deploy.trained.count import Counting, Counts
from deploy.trained.neurobench import neurobench
from deploy.trained.report import Energy, EnergyReport, Formula, Layer
from processes.spiking import Affine, Graph, Layout, Levels, Neuron, Product, Weighted

ADDITION, MAC = 0.9, 4.6
FP32 = ("45nm-additions", "spikedattention")
"""Conventions that price FP32 arithmetic; the others price integers."""


@dataclass(frozen=True)
class Published:
    """The published formula's quantities for one sample.

    Attributes:
        first_macs: multiply-accumulates of the layers that read the input, in one time step.
        operations: the sum of fr * T * MACs over the other layers and products.
        picojoules: the formula's total.
        counted_operations: additions caused by spikes, as counted in the whole network.
        left_out: counts per sample of the events, by name, for which the formula has no term.
    """

    first_macs: int
    operations: float
    picojoules: float
    counted_operations: float
    left_out: dict[str, float]


@dataclass(frozen=True)
class Priced:
    """One convention's total for a sample; ``omitted``: picojoules of terms that its source leaves out of the total."""

    name: str
    title: str
    picojoules: float
    omitted: float


def first_layers(graph: Graph) -> set[str]:
    """Names of the layers that read the input directly, or through layout changes and scalings only."""
    readers, waiting, found = graph.readers(), [graph.input], set[str]()
    while waiting:
        for reader in readers[waiting.pop()]:
            node = graph.nodes[reader]
            if isinstance(node.op, Weighted):
                found.add(reader)
            elif isinstance(node.op, Layout | Affine):
                waiting.append(reader)
    return found


def published(graph: Graph, counts: Counts) -> Published:
    """Apply the published formula as its authors do, next to the counted events."""
    first = first_layers(graph)
    operations = 0.0
    for name, macs in counts.nominal.items():
        node = graph.nodes[name]
        if name in first or not isinstance(node.op, Weighted | Product):
            continue
        source = node.wires[0].source
        rate = counts.rates[source] if source in counts.rates else counts.shares[source]
        operations += rate * counts.steps * macs
    events = counts.per_sample()
    macs = sum(counts.nominal[name] for name in first)
    kept = ("synaptic_operations", "macs", "silent_compares", "transfers")
    left_out: dict[str, float] = {
        event: count for event, count in sorted(events.items()) if event not in kept and count
    }
    done = sum(counts.events[name]["macs"] for name in counts.events if name not in first) / max(1, counts.samples)
    left_out["macs of later layers that read no spikes"] = done
    if graph.input not in counts.rates:  # a first layer that reads spikes adds them, which is counted
        left_out["macs of the first layer in the steps after the first"] = macs * (counts.steps - 1)
    return Published(
        macs, operations, MAC * macs + ADDITION * operations, events["synaptic_operations"],
        {event: count for event, count in left_out.items() if count},
    )  # fmt: skip


def priced(counts: Counts) -> list[Priced]:
    """Apply every convention to the counted events; MACs cost what they cost the convention's original network.

    Terms for layers after an activation are skipped: every layer is priced as one that is not.
    """
    events, found = counts.per_sample(), []
    for convention in conventions():
        shares = {False: 0.0, True: 0.0}
        for term in convention.snn:
            if term.layers != AFTER:
                shares[term.omitted] += term.picojoules * events[term.event]
        arithmetic = "fp32" if convention.name in FP32 else "int8"
        mac = next(term.picojoules for term in convention.ann[arithmetic] if term.event == "macs")
        total = shares[False] + mac * events["macs"]
        found.append(Priced(convention.name, convention.title, total, shares[True]))
    return found


def energies(counting: Counting) -> EnergyReport:
    """The report of energy: events, layers, the published formula, every convention and NeuroBench's metrics."""
    graph, counts = counting.graph, counting.counts
    formula = published(graph, counts)
    return EnergyReport(
        layers=_layers(graph, counts), events=dict(sorted(counts.per_sample().items())),
        formula=Formula(
            microjoules=formula.picojoules / 1e6, first_macs=formula.first_macs, operations=formula.operations,
            counted_operations=formula.counted_operations, left_out=formula.left_out,
        ),
        energy=[
            Energy(name=p.name, title=p.title, microjoules=p.picojoules / 1e6, omitted_microjoules=p.omitted / 1e6)
            for p in priced(counts)
        ],
        neurobench=neurobench(counting),
    )  # fmt: skip


def _layers(graph: Graph, counts: Counts) -> list[Layer]:
    found: list[Layer] = []
    for name, node in graph.nodes.items():
        if isinstance(node.op, Neuron | Levels | Weighted) or counts.events.get(name, {}).get("synaptic_operations"):
            events = counts.events.get(name, {})
            kind = type(node.op).__name__.lower()
            found.append(
                Layer(
                    name=name, kind=kind, size=int(np.prod(node.shape)),
                    rate=counts.rates.get(name) if kind in ("neuron", "levels") else None,
                    synaptic_operations=events.get("synaptic_operations", 0) / counts.samples,
                    macs=events.get("macs", 0) / counts.samples,
                )
            )  # fmt: skip
    return found
