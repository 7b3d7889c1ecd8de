"""Files written before operations were rebuilt still load, and run as they did (``tests/golden/before``)."""

from __future__ import annotations

import functools
import hashlib
import subprocess
import sys
import tarfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from evaluator import network_file
from evaluator.closed_form import ClosedForm
from evaluator.compare import compare
from processes.network import Network, Route
from processes.operation import Operation, Result
from tests.stepped import step_samples
from tests.tolerances import ROUNDING

FOLDER = Path(__file__).parents[1] / "golden" / "before"
FILES = [
    f"{kind}-{precision}"
    for kind in ("phase-1", "phase-2", "phase-3", "race", "sit", "sit-published")
    for precision in ("float", "fixed")
] + ["rate-float"]
OPERATIONS = {
    "centre", "conv2d", "dense", "dynamic_threshold", "phase_neuron", "rate_neuron", "readout", "residual", "route",
    "scale", "si_exp", "si_neuron", "si_norm", "square_sum", "trace_product", "woss",
}  # fmt: skip


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The files, unpacked."""
    unpacked = tmp_path_factory.mktemp("before")
    with tarfile.open(FOLDER / "networks.tar.xz") as archive:
        archive.extractall(unpacked, filter="data")
    return unpacked


@pytest.fixture(scope="module")
def read(folder: Path) -> Callable[[str], Network]:
    """Reads a network, once."""
    return functools.cache(lambda name: network_file.read(folder / f"{name}.nir"))


@pytest.fixture(scope="module")
def recorded() -> dict[str, np.ndarray]:
    """What the networks gave when they were written."""
    with np.load(FOLDER / "recorded.npz") as arrays:
        return dict(arrays)


def test_every_operation_that_there_was_is_in_a_file(read: Callable[[str], Network]) -> None:
    assert {
        node.op.name for name in ("phase-2-fixed", "sit-fixed", "rate-float") for _, node in read(name)
    } == OPERATIONS


@pytest.mark.parametrize("name", FILES)
def test_it_loads_and_gives_what_it_gave(
    name: str, read: Callable[[str], Network], recorded: dict[str, np.ndarray]
) -> None:
    """Integers to the last bit, codes of every layer too; real numbers to rounding."""
    network = read(name)
    codes: dict[str, np.ndarray] = {}

    def observe(node: str, op: Operation, result: Result) -> None:
        if op.fires and not isinstance(op, Route):
            contiguous = np.ascontiguousarray(result.values.numpy(), np.int8)
            codes[f"{name}.codes.{node}"] = np.frombuffer(hashlib.sha256(contiguous.tobytes()).digest(), np.uint8)

    outputs = ClosedForm(network, torch.float64).run(recorded["samples"], observe).numpy()
    expected = recorded[f"{name}.outputs"]
    if name.endswith("float"):
        np.testing.assert_allclose(outputs, expected, rtol=0, atol=ROUNDING * np.abs(expected).max())
        return
    np.testing.assert_array_equal(outputs, expected)
    before = {key: value for key, value in recorded.items() if key.startswith(f"{name}.codes.")}
    assert before.keys() == codes.keys()
    assert all((before[key] == codes[key]).all() for key in before)


@pytest.mark.parametrize("name", [name for name in FILES if "rate" not in name])
def test_it_steps_as_its_closed_form(
    name: str, read: Callable[[str], Network], recorded: dict[str, np.ndarray]
) -> None:
    network = read(name)
    samples = recorded["samples"][:1]
    found = compare(network, samples, step_samples(network, samples))
    assert (found.mismatches, found.first) == (0, None)


def test_a_bundle_checks_itself(folder: Path, read: Callable[[str], Network]) -> None:
    """By the formulas that were written with it, and its graph by ours."""
    done = subprocess.run(
        [sys.executable, str(folder / "bundle" / "run.py")], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0 and done.stdout.startswith("identical: "), done.stderr
    assert list(read("bundle/graph").nodes) == list(read("phase-2-fixed").nodes)
