"""The header of a network: every stage states its fields, files keep what they hold, and nothing absent is read in silence."""

from __future__ import annotations

from dataclasses import FrozenInstanceError, replace
from typing import Any

import numpy as np
import pytest

from processes import verifier
from processes.chips import LOIHI2, widths_of
from processes.errors import DeployError
from processes.header import KINDS, Header
from processes.network import CalibratedNetwork, DenseSynapse, FixedPointNetwork, LoweredNetwork, Network, Readout

FIXED = Header(
    host="embeds tokens", base=1.4, timesteps=8, spikes=2, precision="fixed", chip="loihi2", input_unit=0.25,
    others={"model": "a name"},
)  # fmt: skip
FLOAT = replace(FIXED, precision="float", chip=None, input_unit=None)
STAGES: list[tuple[type[Network], Header]] = [
    (LoweredNetwork, replace(FLOAT, base=None, timesteps=None, spikes=None, precision=None)),
    (CalibratedNetwork, FLOAT),
    (FixedPointNetwork, FIXED),
]


def network(stage: type[Network], header: Header) -> Network:
    """Two values, a synapse and a readout."""
    made = stage((1, 2), header=header)
    made.add(
        "head", DenseSynapse(shape=(1, 1), weight=np.ones((1, 2)), bias=np.zeros(1), trace=np.ones(1)), Network.INPUT
    )
    made.add("readout", Readout(shape=(1, 1), unit=np.ones((1, 1))), "head")
    return made


@pytest.mark.parametrize("stage, header", STAGES)
def test_files_keep_the_header_and_what_they_hold_besides(stage: type[Network], header: Header) -> None:
    graph = network(stage, header).to_nir()
    stated = {name: getattr(header, name) for name in KINDS if getattr(header, name) is not None}
    assert {key: value for key, value in graph.metadata.items() if key != "format"} == stated | {"model": "a name"}
    read = Network.from_nir(graph)
    assert type(read) is stage and read.header == header


def test_entries_come_in_one_order_and_absent_ones_not_at_all() -> None:
    assert list(FIXED.entries()) == [*KINDS, "model"]
    assert list(FLOAT.entries()) == ["host", "base", "timesteps", "spikes", "precision", "model"]
    assert Header().entries() == {} and Header.of({}) == Header()


@pytest.mark.parametrize("stage, header", STAGES)
def test_what_no_stage_needs_may_be_absent(stage: type[Network], header: Header) -> None:
    graph = network(stage, header).to_nir()
    for name in ("spikes", "host", "model"):
        graph.metadata.pop(name, None)
    assert Network.from_nir(graph).header == replace(header, spikes=None, host=None, others={})


def test_stages_state_what_docs_nir_operations_lists() -> None:
    assert [stage.STATES for stage, _ in STAGES] == [
        (), ("base", "timesteps"), ("base", "timesteps", "chip", "input_unit"),
    ]  # fmt: skip


@pytest.mark.parametrize("stage, header", STAGES)
def test_a_stage_has_what_it_states(stage: type[Network], header: Header) -> None:
    for name in stage.STATES:
        without = replace(header, **{name: None})
        with pytest.raises(
            DeployError, match=rf"header of a {stage.__name__} does not state {name}; one that converters\."
        ):
            stage((1, 2), header=without)
        graph = network(stage, header).to_nir()
        del graph.metadata[name]
        with pytest.raises(DeployError, match=f"does not state {name}"):
            Network.from_nir(graph)
        later = network(stage, header)
        later.header = without
        with pytest.raises(DeployError, match=f"does not state {name}"):
            verifier.check(later)


@pytest.mark.parametrize("stage", [stage for stage, _ in STAGES])
def test_a_stage_has_its_precision(stage: type[Network]) -> None:
    for precision in {None, "float", "fixed"} - {stage.PRECISION}:
        with pytest.raises(DeployError, match=f"has precision {stage.PRECISION}; this one has {precision}"):
            stage((1, 2), header=replace(FIXED, precision=precision))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "name, value",
    [("base", "1.4"), ("timesteps", 8.5), ("timesteps", True), ("spikes", [1, 2]), ("precision", "double"),
     ("precision", 1), ("chip", 2), ("input_unit", "a quarter"), ("host", 3.0)],
)  # fmt: skip
def test_entries_of_another_type_are_refused(name: str, value: Any) -> None:
    with pytest.raises(DeployError, match=f"has {name} '.*'.*the file is damaged"):
        Header.of(FIXED.entries() | {name: value})


def test_what_is_absent_is_not_read_in_silence() -> None:
    assert FIXED.stated("chip") == "loihi2" and FIXED.stated("timesteps") == 8
    with pytest.raises(DeployError, match="does not state 'chip'"):
        FLOAT.stated("chip")
    with pytest.raises(FrozenInstanceError):
        FIXED.chip = "another"  # type: ignore[misc]


def test_chips_are_named_by_their_tables() -> None:
    assert widths_of("loihi2") is LOIHI2 and widths_of(None) is LOIHI2
    with pytest.raises(DeployError, match="no table of chip 'mine', only of loihi2"):
        widths_of("mine")
