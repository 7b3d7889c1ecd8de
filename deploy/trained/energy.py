"""The published formula of spiking transformers, and this package's conventions, on counted events of one network.

Published (Spikformer, ICLR 2023; the others follow it), with fr the mean firing rate of what a layer reads, or of a product's
first operand, and the share of values other than 0 where that is no spikes::

    E = 4.6 pJ * MACs of the first layer + 0.9 pJ * sum over the other layers and products of fr * T * MACs

4.6 pJ is a multiplication and an addition, 0.9 pJ an addition in FP32 at 45 nm (M. Horowitz, ISSCC 2014).
"""

from __future__ import annotations

from dataclasses import dataclass

from deploy.energy.conventions import AFTER, conventions
from deploy.trained.count import Counts
from processes.spiking import Affine, Graph, Layout, Product, Weighted

ADDITION, MAC = 0.9, 4.6
FP32 = ("45nm-additions", "spikedattention")
"""Conventions whose prices are those of FP32; the others price integers."""


@dataclass(frozen=True)
class Published:
    """The formula's numbers for one sample.

    Attributes:
        first_macs: multiply-accumulates of the layers that read the input, once.
        operations: the sum of fr * T * MACs.
        picojoules: the formula's total.
        counted_operations: the additions that really happen in the same layers.
        left_out: what happens besides, by event, with how often a sample.
    """

    first_macs: int
    operations: float
    picojoules: float
    counted_operations: float
    left_out: dict[str, float]


@dataclass(frozen=True)
class Priced:
    """One convention's total for a sample; ``omitted`` is what it leaves out of it, at its own prices."""

    name: str
    title: str
    picojoules: float
    omitted: float


def first_layers(graph: Graph) -> set[str]:
    """Layers that read the input through moves alone."""
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
    """The formula, as its authors apply it, next to what was counted."""
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
    left_out["macs of the first layer in the steps after the first"] = macs * (counts.steps - 1)
    return Published(
        macs, operations, MAC * macs + ADDITION * operations, events["synaptic_operations"],
        {event: count for event, count in left_out.items() if count},
    )  # fmt: skip


def priced(counts: Counts) -> list[Priced]:
    """Every convention on the counted events; MACs at the convention's price of the original network's."""
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
