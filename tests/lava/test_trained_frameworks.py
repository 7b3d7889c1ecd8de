"""Every neuron of every framework on Lava in floating point fires the framework's own spikes, over 100 samples."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from torch import nn

pytest.importorskip("lava.magma")

import processes.lava  # noqa: F401
from converters.trained import Form, leaves, register
from processes.spiking import Graph
from targets.nir_graph.lava import run_in_lava
from targets.trained.program import compile_float
from tests.converters.spiking_modules import FEATURES, FRAMES, SAMPLES, Two, both, frames
from tests.converters.test_trained import QCFS, Converted, Loop, MultiStep, Own, all_of_snntorch, all_of_spikingjelly
from tests.converters.test_trained_norse import NORSE, NorseNet, NorseSequence, norse_cell

pytestmark = pytest.mark.exhaustive


def cell(case: str) -> nn.Module:
    name, named = NORSE[case]
    return NorseNet(norse_cell(name, **named()))


CASES: dict[str, tuple[Callable[[], nn.Module], tuple[int, ...], Form]] = {
    "snnTorch": (all_of_snntorch, (FEATURES,), "step"),
    "snnTorch's loop": (Loop, (1, 6, 6), "static"),
    "SpikingJelly": (all_of_spikingjelly, (FEATURES,), "step"),
    "shortcuts": (MultiStep, (1, 8, 8), "sequence"),
    "iand": (lambda: MultiStep(iand=True), (1, 8, 8), "sequence"),
    "registered": (lambda: Two(lambda: Own(0.7)), (FEATURES,), "step"),
    "qcfs": (Converted, (FEATURES,), "static"),
    "Norse's sequences": (NorseSequence, (FEATURES,), "sequence"),
} | {f"Norse, {case}": (lambda case=case: cell(case), (FEATURES,), "step") for case in NORSE}  # fmt: skip


@pytest.fixture(autouse=True)
def registered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(leaves, "_REGISTERED", {})
    register(Own, decay=lambda m: m.decay, threshold=lambda m: 1.0, reset="set")
    named: dict[str, Any] = {"reset": "subtract", "inclusive": True}
    register(
        QCFS, lambda m: 1.0, lambda m: m.thresh, initial=lambda m: m.thresh / 2, height=lambda m: m.thresh, **named
    )


def differing(graph: Graph, x: np.ndarray, theirs: dict[str, np.ndarray]) -> tuple[int, int]:
    """Spikes on Lava that are not the framework's, and how many were compared."""
    found = run_in_lava(compile_float(graph), {graph.input: x}, "block").spikes
    assert theirs.keys() <= found.keys()
    apart = sum(int((found[name] != spikes).sum()) for name, spikes in theirs.items())
    return apart, sum(spikes.size for spikes in theirs.values())


@pytest.mark.parametrize("case", CASES)
def test_lava_fires_the_spikes_of_the_framework(case: str) -> None:
    build, shape, form = CASES[case]
    graph, _, theirs = both(build(), shape, form)
    x = frames(shape, form).reshape(SAMPLES, FRAMES, *graph.nodes[graph.input].shape)
    apart, compared = differing(graph, x, theirs.spikes)
    print(f"{case}: {apart} of {compared:,} spikes differ, {SAMPLES} samples")
    assert apart == 0 < compared
    assert differing(graph, x[:2] * 1.1, {name: spikes[:2] for name, spikes in theirs.spikes.items()})[0] > 0
