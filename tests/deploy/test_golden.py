"""Golden data beside NIR exports: what an independent reader gets, and what it would not get of another network."""

from __future__ import annotations

import importlib.util
import shutil
from pathlib import Path
from types import ModuleType

import h5py
import nir
import numpy as np
import pytest

from deploy import demo
from deploy.cli import main
from deploy.report import figures
from tests.targets.nir_by_the_page import run

EXAMPLES = Path(__file__).parents[2] / "examples"
TIES = 1e-12
"""Of potentials around 1: sums of the same products in another order."""


def reader() -> ModuleType:
    spec = importlib.util.spec_from_file_location("read_nir", EXAMPLES / "read_nir.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module", params=["mlp", "cnn"])
def converted(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp(request.param)
    np.savez(folder / "calib.npz", x=demo.calibration_data()[0][:24])
    np.savez(folder / "eval.npz", x=demo.evaluation_data()[0][:2])
    precision = "float" if request.param == "mlp" else "fixed"
    line = ["convert", "--model", f"{EXAMPLES / 'fashion_models.py'}:{request.param}", "--weights",
            str(EXAMPLES / f"{request.param}.safetensors"), "--calib", str(folder / "calib.npz"), "--eval",
            str(folder / "eval.npz"), "--timesteps", "8", "--base", "1.4", "--precision", precision, "--target", "closed-form",
            "-q", "-o", str(folder / "out")]  # fmt: skip
    assert main(line) == 0
    return folder / "out"


@pytest.mark.parametrize("dialect", ["snntorch", "norse", "sinabs"])
def test_a_reader_of_numpy_alone(converted: Path, dialect: str, tmp_path: Path) -> None:
    file = tmp_path / "net.nir"
    assert (
        main(["export", str(converted), "--plain", "--dialect", dialect, "--trust", "--samples", "1", "-o", str(file)])
        == 0
    )
    with np.load(tmp_path / "net.golden.npz") as golden:
        held = dict(golden)
    got = reader().run(file, held["input"])
    assert set(got) == set(held) - {"input"} and {key.partition(":")[0] for key in got} == {
        "spikes",
        "potentials",
        "output",
    }
    for key, values in got.items():
        if key.startswith("spikes"):
            assert np.array_equal(values, held[key]) and values.any(), key
        else:
            np.testing.assert_allclose(values, held[key], rtol=TIES, atol=TIES)
    with h5py.File(file, "r+") as opened:  # another threshold, other spikes
        name = next(key.partition(":")[2] for key in got if key.startswith("spikes"))
        opened["node"]["nodes"][name]["v_threshold"][...] *= 1.5
    assert not np.array_equal(reader().run(file, held["input"])[f"spikes:{name}"], held[f"spikes:{name}"])


def test_whole_files_by_the_page(converted: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "net.nir"
    assert main(["export", str(converted), "-o", str(file)]) == 0
    assert "net.golden.npz" in capsys.readouterr().out
    with np.load(tmp_path / "net.golden.npz") as golden:
        held = dict(golden)
    if converted.parent.name.startswith("mlp"):  # the page's reader is of integers
        assert any(key.startswith("spikes:") for key in held)
        return
    read = run(nir.read(file, type_check=False), held["input"][None])
    theirs = {name.split(".", 1)[1]: values for name, values in read.items() if "." in name}
    assert len(held) == len(theirs) + 1
    for key, ours in held.items():
        kind, _, name = key.partition(":")
        if kind == "spikes":
            steps = len(theirs[name])
            ours = np.stack([((ours == k + 1).astype(int) - (ours == -k - 1)).sum(0) for k in range(steps)])
            np.testing.assert_array_equal(theirs[name][:, 0], ours, err_msg=name)
        elif kind == "potentials":
            np.testing.assert_array_equal(theirs[name][0], ours, err_msg=name)


def test_older_folders_export_without(converted: Path, tmp_path: Path) -> None:
    shutil.copytree(converted, tmp_path / "old")
    (tmp_path / "old" / figures.FILE).unlink()
    assert main(["export", str(tmp_path / "old"), "-o", str(tmp_path / "net.nir")]) == 0
    assert not (tmp_path / "net.golden.npz").exists()
