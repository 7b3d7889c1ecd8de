"""Conventions as data, the published figures they come from, and where they break even."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from deploy.cli import main
from deploy.energy import EVENTS, Convention, EventCounter, Term, break_even, conventions, total
from tests.deploy.energy.test_events import counted
from tests.deploy.reports import conversion

BY_NAME = {convention.name: convention for convention in conventions()}


def test_every_price_has_a_source_and_every_counted_event_a_price() -> None:
    terms = [term for c in conventions() for term in (*c.snn, *c.ann["fp32"], *c.ann["int8"])]
    assert all(term.source and term.picojoules > 0 for term in terms)
    assert {term.event for term in terms} == set(EVENTS)
    assert all(term.low <= term.picojoules for term in terms)
    with pytest.raises(ValueError, match="term 'x': unknown event 'y'"):
        Term(what="x", event="y", picojoules=1.0, source="z")


def test_published_total_of_swin_tiny() -> None:
    """The published code's log: 45.339 mJ for the original Swin-T, 26.383 mJ for the spiking one (T = 40, B = 1.15).

    Its formula, layer by layer, over the network's shape: the original's follows to 0.3 % (its activations are not all
    non-zero); the spiking one's for rates that the log does not give, but that have to lie in their ranges.
    """
    published = BY_NAME["spikedattention"]
    prices = {term.what: term.picojoules for term in published.snn}
    macs, neurons, second = swin_tiny()
    fp32 = {term.event: term.picojoules for term in published.ann["fp32"] if not term.omitted}
    assert (fp32["macs"] * macs + fp32["outputs"] * neurons) * 1e-9 == pytest.approx(45.339, rel=0.003)
    rate = (2.980e9 / 0.9 - 0.25 * second) / macs  # 2.980 mJ of additions, a quarter of the ReLUs firing
    assert 0.9 < rate < 1
    waiting = (26.383e9 - prices["synaptic operations"] * rate * macs) / prices["states of waiting neurons"] / neurons
    assert 20 < waiting < 40


def swin_tiny() -> tuple[float, float, float]:
    """(multiply-accumulates, neurons) of the layers in the published total, multiply-accumulates of second MLP layers."""
    macs = neurons = second = 0.0

    def layer(operations: float, fan_in: float) -> None:
        nonlocal macs, neurons
        macs += operations
        neurons += operations / fan_in

    side, width = 56, 96
    layer(side**2 * width * 48, side**2 * width)  # the published code divides by the outputs here
    for stage, depth in enumerate((2, 2, 6, 2)):
        if stage:
            layer((side // 2) ** 2 * 4 * width * 2 * width, 4 * width)
            side, width = side // 2, 2 * width
        tokens = side**2
        for _ in range(depth):
            layer(tokens * width, 1)
            for _ in range(4):  # q, k, v and the projection
                layer(tokens * width**2, width)
            layer(tokens * 49 * width, 32)  # heads of 32 features
            layer(tokens * 49 * width, 49)
            layer(tokens * 4 * width**2, width)
            second += tokens * 4 * width**2
            layer(tokens * width, 1)
    layer(width * 56**2 // 16, 56**2 // 16)
    layer(width * 1000, width)
    return macs, neurons, second


@pytest.mark.parametrize("convention", conventions(), ids=lambda c: c.name)
@pytest.mark.parametrize("arithmetic", ["fp32", "int8"])
def test_at_the_break_even_both_cost_the_same(convention: Convention, arithmetic: str) -> None:
    """Events scaled by hand to the value that was found give equal energies; a little beyond, the sign changes."""
    counter = counted()
    ann = total(convention.ann[arithmetic], counter)
    for found in break_even(convention.snn, convention.ann[arithmetic], counter):
        now = total(convention.snn, counter)
        if found.at is None:
            assert (now < ann) == (found.cheaper == "always") or found.quantity == "spikes_per_neuron"
            continue
        at = total(convention.snn, scaled(counter, found.quantity, found.at / found.now))
        assert at == pytest.approx(ann)
        below = total(convention.snn, scaled(counter, found.quantity, 0.9 * found.at / found.now))
        assert (below < ann) == (found.cheaper == "below")


def scaled(counter: EventCounter, quantity: str, factor: float) -> EventCounter:
    """Events with so many times the spikes or steps; there is no product in the network."""
    growing = {
        "spikes_per_neuron": {"spikes", "transfers", "synaptic_operations", "potential_updates"},
        "timesteps": {"compares", "silent_compares", "neuron_steps"},
    }[quantity]
    other = EventCounter(counter.network, samples=counter.samples)
    for name, events in counter.counts.items():
        grown = {event: n * (factor if event in growing else 1) for event, n in events.items()}
        other.counts[name] = Counter(grown)  # type: ignore[arg-type]
    return other


def test_the_command_prints_what_the_report_holds(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from deploy.energy import energy, events, layer_events, neurobench
    from deploy.schema import Layer

    counter = counted()
    layers = (
        Layer(name=name, op="x", shape=(1,), start=0, stop=1, events=layer_events(counter, name))
        for name in counter.counts
    )
    conversion(
        tmp_path, energy=energy(counter), events=events(counter), neurobench=neurobench(counter), layers=tuple(layers)
    )
    assert main(["energy", str(tmp_path), "--layers"]) == 0
    printed = capsys.readouterr().out
    assert "SpikedAttention" in printed and "MembraneUpdates" in printed and "readout" in printed
    conversion(tmp_path)
    assert main(["energy", str(tmp_path)]) == 2
    assert "no counted events; convert again" in capsys.readouterr().err


@pytest.mark.parametrize("convention", conventions(), ids=lambda c: c.name)
def test_every_event_has_a_price_or_a_stated_reason(convention: Convention) -> None:
    priced = {term.event for term in (*convention.snn, *(term for terms in convention.ann.values() for term in terms))}
    assert priced | set(convention.unpriced) == set(EVENTS)
    assert not priced & set(convention.unpriced)
    assert all(len(reason.split()) > 3 for reason in convention.unpriced.values())
