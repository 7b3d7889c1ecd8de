"""The demo, spike for spike as it was before the code was rebuilt (``tests/golden/demo``)."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import numpy as np
import pytest

from deploy.demo import evaluation_data
from evaluator import network_file
from tests.tolerances import ROUNDING

GOLDEN = Path(__file__).parents[1] / "golden" / "demo"
SPEC = importlib.util.spec_from_file_location("golden_demo", GOLDEN / "make.py")
assert SPEC is not None and SPEC.loader is not None
make = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(make)


@pytest.fixture(scope="module", params=["fixed", "float"])
def precision(request: pytest.FixtureRequest) -> str:
    return request.param


def differing(golden: dict[str, np.ndarray], found: dict[str, np.ndarray]) -> list[str]:
    """Layers and images whose digests differ, and images whose outputs do, real ones by more than sums of floats."""
    assert golden.keys() == found.keys()
    same = {name: golden[name] == found[name] for name in golden}
    for name, wanted in golden.items():
        if np.issubdtype(wanted.dtype, np.floating):
            same[name] = np.abs(wanted - found[name]) <= ROUNDING * np.abs(wanted).max()
    rows = [(name, (~same[name]).reshape(len(golden[name]), -1).any(1)) for name in golden]
    return [f"{name}, image {image}" for name, wrong in rows for image in np.flatnonzero(wrong)]


def test_every_code_and_potential_of_20_images_is_as_it_was(precision: str):
    network = network_file.read(GOLDEN / f"{precision}.nir")
    with np.load(GOLDEN / f"{precision}.npz") as golden:
        found = make.record(network, evaluation_data()[0][: make.IMAGES])
        assert differing(dict(golden), found) == []


def test_one_code_that_differs_is_found():
    with np.load(GOLDEN / "fixed.npz") as stored:
        golden = dict(stored)
    name = next(name for name in golden if name.startswith("codes."))
    broken = golden | {name: golden[name].copy()}
    broken[name][3, 0] ^= 1
    assert differing(golden, broken) == [f"{name}, image 3"]


def test_an_output_that_differs_is_found():
    with np.load(GOLDEN / "float.npz") as stored:
        golden = dict(stored)
    broken = golden | {"outputs": golden["outputs"].copy()}
    broken["outputs"][3, 0] += 2 * ROUNDING * np.abs(golden["outputs"]).max()
    assert differing(golden, broken) == ["outputs, image 3"]
