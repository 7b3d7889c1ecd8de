"""The bundle for Loihi 2 checks itself with numpy alone: the integer formulas it holds give every spike and potential."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import torch

from converters.calibrate import calibrate
from converters.capture import capture
from converters.discretise import discretise
from converters.lowering import lower
from evaluator.closed_form import ClosedForm
from processes.chips import LOIHI2
from processes.errors import DeployError
from processes.network import Network
from processes.operations import OPERATIONS
from processes.phase_code import PhaseCode
from targets.loihi2 import NO_PROGRAM, write_bundle
from targets.loihi2.bundle.programs import PROGRAMS
from targets.loihi2.bundle.programs.program import shift
from tests.converters.modules import end_early, images, small_vit
from tests.targets.c99_cases import curved
from tests.targets.test_placement import (
    by_sit,
    convolutions,
    frames,
    gates,
    massive_feature,
    maxima,
    mixtures,
    small_network,
    uneven_attention,
    uneven_gates,
)


@cache
def two_spikes() -> Network:
    """Every neuron may fire twice, those of softmax and GELU too."""
    samples = images(4)
    network = lower(capture(small_vit(), (torch.from_numpy(samples[:1]),)), (1, 1, 12, 12))
    network = calibrate(network, samples, PhaseCode(1.6, 6), spikes=2)
    assert all(node.op.spikes == 2 for _, node in network if node.op.name == "woss")
    return discretise(network, samples, LOIHI2)


def second_spikes_that_end_early() -> Network:
    """The same, up to a step of its own for each feature."""
    return end_early(two_spikes())


def run_bundle(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """run.py where this package cannot be imported."""
    program = "import sys, runpy; sys.path.insert(0, sys.argv[1]); sys.argv = [sys.argv[1] + '/run.py', *sys.argv[2:]]"
    program += "; runpy.run_path(sys.argv[0], run_name='__main__')"
    return subprocess.run(
        [sys.executable, "-I", "-c", program, str(folder), *arguments], capture_output=True, text=True, check=False
    )


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("bundle")
    write_bundle(small_network(), images(1), folder)
    return folder


@pytest.mark.parametrize(
    "make",
    [
        small_network,
        two_spikes,
        second_spikes_that_end_early,
        by_sit,
        gates,
        maxima,
        mixtures,
        uneven_attention,
        uneven_gates,
        massive_feature,
        frames,
        lambda: curved()[0],
    ],
)
def test_the_formulas_give_every_spike_and_potential(make, tmp_path: Path) -> None:
    network = make()
    x = np.random.default_rng(3).random((1, *network.input_shape[1:]), np.float32)
    write_bundle(network, x, tmp_path)
    done = run_bundle(tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("identical: ")
    about = json.loads((tmp_path / "network.json").read_text())
    assert [node["name"] for node in about["nodes"]] == list(network.nodes)


def test_sums_of_squares_saturate_as_in_the_network(tmp_path: Path) -> None:
    """Of many random samples the one on which most sums of squares are clipped."""
    network = two_spikes()

    def clips(x: np.ndarray) -> int:
        found: list[int] = []
        ClosedForm(network).run(x, lambda _, op, result: found.append(result.clipped * (op.name == "square_sum")))
        return sum(found)

    rng = np.random.default_rng(0)
    x = max((rng.normal(size=(1, *network.input_shape[1:])).astype(np.float32) for _ in range(30)), key=clips)
    assert clips(x) > 5
    write_bundle(network, x, tmp_path)
    done = run_bundle(tmp_path)
    assert done.returncode == 0, done.stderr


def test_a_changed_weight_is_found(bundle: Path, tmp_path: Path) -> None:
    shutil.copytree(bundle, tmp_path, dirs_exist_ok=True)
    description = json.loads((tmp_path / "network.json").read_text())
    path = next(tmp_path / node["parameters"] for node in description["nodes"] if node["op"] == "dense")
    with np.load(path) as arrays:
        changed = {name: arrays[name] for name in arrays.files}
    changed["weight"] = -changed["weight"]
    np.savez(path, **changed)
    done = run_bundle(tmp_path)
    assert done.returncode == 1 and "differs at" in done.stderr


def test_everything_in_it_is_an_integer_but_what_the_host_reads(bundle: Path) -> None:
    for path in bundle.glob("parameters/*.npz"):
        with np.load(path) as arrays:
            real = {name for name in arrays.files if arrays[name].dtype.kind == "f"}
        assert real <= {"unit", "scale", "schedule.scale", "schedule.unit", "gain"}, path
    with np.load(bundle / "placement.npz") as cores:
        assert all(cores[name].min() >= 0 for name in cores.files)


def test_every_operation_has_a_program_or_a_reason() -> None:
    assert PROGRAMS.keys() | NO_PROGRAM.keys() == {operation.name for operation in OPERATIONS}
    assert not PROGRAMS.keys() & NO_PROGRAM.keys()
    assert all(len(reason.split()) > 3 for reason in NO_PROGRAM.values())


def test_floating_point_has_no_bundle(tmp_path: Path) -> None:
    with pytest.raises(DeployError, match="--precision fixed"):
        write_bundle(convolutions(), images(1), tmp_path)


def test_without_the_chip_it_says_what_is_missing(bundle: Path) -> None:
    done = run_bundle(bundle, "--on", "loihi2")
    assert done.returncode == 1 and "lava-loihi" in done.stderr


def test_shift_is_toward_zero() -> None:
    assert shift(np.array([-7, 7, -7]), np.array([1, 1, -1])).tolist() == [-3, 3, -14]
