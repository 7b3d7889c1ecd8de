"""Mistakes that once ended in a traceback, a wait without end, a lost file or a wrong answer without a word: one line each."""

from __future__ import annotations

import errno
import os
import signal
import sys
import warnings
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import nir
import numpy as np
import pytest
import torch
from torch import nn

import deploy
from deploy import api
from deploy.cli import main
from deploy.cli.app import CLOSED
from deploy.conversion import Conversion
from deploy.errors import DeployError
from deploy.options import ConvertOptions
from deploy.sources import load_model

X = np.random.default_rng(0).normal(size=(8, 6)).astype(np.float32)
CODE = {"timesteps": 8, "base": 1.4}


class Net(nn.Module):
    """Two layers; ``after`` changes their output."""

    def __init__(self, after: Callable[[torch.Tensor], Any] = lambda y: y) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.a, self.b, self.after = nn.Linear(6, 5), nn.Linear(5, 3), after

    def forward(self, x: torch.Tensor) -> Any:
        return self.after(self.b(torch.relu(self.a(x))))


def convert(x: Any = X, module: nn.Module | None = None, **options: Any) -> deploy.Conversion:
    return deploy.convert(module or Net(), x, **{**CODE, **options})


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"timesteps": "8"}, "--timesteps '8': is a str; give a whole number"),
        ({"timesteps": 8.5}, r"--timesteps 8\.5: is a float"),
        ({"timesteps": True}, "--timesteps True: is a bool"),
        ({"timesteps": 257}, "--timesteps 257: windows of --method spiked-attention have at most 256 steps"),
        ({"timesteps": 4097, "method": "rate-coded", "precision": "float"}, "have at most 4096 steps"),
        ({"base": "x"}, "--base 'x': is a str; give a number"),
        ({"spikes": 1.5}, r"--spikes 1\.5: is a float"),
        ({"spikes": 4}, "--spikes 4: neurons spend at most 3"),
        ({"input_spikes": 4}, "--input-spikes 4: neurons spend at most 3"),
        ({"batch_size": "4"}, "--batch-size '4': is a str"),
        ({"method": None}, "--method None: unknown"),
        ({"seed": -1}, "--seed -1: give a whole number from 0"),
        ({"seed": 2**63}, "--seed 9223372036854775808: give a whole number"),
        ({"seed": "a"}, "--seed 'a': is a str"),
        ({"mask_rate": 0.5}, r"--mask-rate 0\.5: belongs to --method mst"),
        ({"activation": "fitted"}, "--activation fitted: belongs to --method sit"),
        ({"exponential": "published"}, "--exponential published: belongs to --method sit"),
        ({"model": " "}, "--model: is empty"),
    ],
)
def test_an_option_of_another_kind_or_method_is_refused(changes: dict[str, Any], words: str) -> None:
    with pytest.raises(DeployError, match=words):
        ConvertOptions(**changes).check(["closed-form"])


@pytest.mark.parametrize(
    "changes",
    [
        {"timesteps": np.int64(8), "base": np.float32(1.4)}, {"timesteps": 256}, {"spikes": 3, "input_spikes": 3},
        {"seed": 2**63 - 1},
        {"timesteps": 4096, "method": "rate-coded", "precision": "float"}, {"method": "sit", "activation": "fitted"},
        {"method": "mst", "precision": "float", "mask_rate": 0.5},
    ],
)  # fmt: skip
def test_what_lies_just_inside_is_taken(changes: dict[str, Any]) -> None:
    ConvertOptions(**changes).check(["closed-form"])


def scripted() -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # of PyTorch: TorchScript goes
        return torch.jit.trace(Net(), tensor())


def tensor() -> torch.Tensor:
    return torch.from_numpy(X)


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: convert(tensor().to("meta")), "`x` is on the device meta, which holds no values"),
        (lambda: convert(tensor().to_sparse()), "`x` is sparse or quantised"),
        (lambda: convert(X * 1e30), r"beyond 1e\+18 squares overflow"),
        (lambda: convert((X * 9).astype(int)), "x holds whole numbers, which are tokens: store other numbers as float32"),
        (lambda: convert(module=Net().to("meta")), r"a\.weight is on the device meta"),
        (lambda: convert(module=scripted()), "is compiled by TorchScript"),
        (lambda: convert(module=nn.DataParallel(Net())), r"give the model itself, its \.module"),
        (lambda: convert(module=nn.Identity()), "no layer of the model fires"),
        (lambda: convert(module=Net(lambda y: y - y.mean(0))), "depends on the other samples of its batch"),
        (lambda: convert(module=Net(lambda y: y.reshape(1, 3))), "takes one sample but not two at once"),
        (lambda: convert(module=Net(lambda y: y.to(torch.complex64))), "returns complex numbers"),
    ],
)  # fmt: skip
def test_arrays_and_modules_that_cannot_be_meant(call: Callable[[], Any], words: str) -> None:
    with pytest.raises(DeployError, match=words) as caught:
        call()
    assert "\n" not in str(caught.value)


@pytest.fixture(scope="module")
def converted() -> deploy.Conversion:
    return convert()


def test_other_forms_of_the_same_samples_give_the_same_outputs(converted: deploy.Conversion) -> None:
    wanted = converted.run(X)
    for x in (tensor().double(), tensor().requires_grad_(), tensor().t().contiguous().t(), X.astype(np.float64)):
        assert np.array_equal(converted.run(x), wanted)
    rounded = tensor().bfloat16()
    assert np.array_equal(converted.run(rounded), converted.run(rounded.float()))
    assert not np.array_equal(converted.run(-rounded), wanted)


def test_a_device_may_be_an_object() -> None:
    assert np.array_equal(convert(device=torch.device("cpu")).run(X), convert().run(X))


def test_a_network_is_compared_with_its_own_model(converted: deploy.Conversion, tmp_path: Path) -> None:
    converted.save(tmp_path / "out")
    assert api.load_conversion(tmp_path / "out", Net()).evaluate(X).samples == len(X)
    other = Net(lambda y: y.repeat(1, 2))
    with pytest.raises(DeployError, match=r"the original gives outputs \(6,\), the spiking network \(3,\)"):
        api.load_conversion(tmp_path / "out", other).evaluate(X)


@pytest.mark.parametrize("samples", [0, -1])
def test_no_samples_verify_nothing(converted: deploy.Conversion, samples: int) -> None:
    with pytest.raises(DeployError, match=f"samples {samples}: at least 1"):
        converted.verify(samples, X, target="stepper")


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a NIR file, spikes for it, samples, a pipe, and Python files."""
    monkeypatch.chdir(tmp_path)
    np.savez("s.npz", x=np.ones((1, 2, 3)))
    np.savez("x.npz", x=X)
    np.savez("named.npz", x=X, y=np.array(["a", "b"] * 4))
    np.savez("one.npz", x=3.0)
    nir.write("net.nir", nir.NIRGraph.from_list(nir.Linear(np.ones((2, 3)))))
    os.mkfifo("pipe.npz")
    Path("leaves.py").write_text("def build():\n    raise SystemExit('bye')\n")
    Path("left.py").write_text("raise SystemExit('bye')\nbuild = None\n")
    Path("net.py").write_text(
        "from torch import nn\ndef build():\n    return nn.Sequential(nn.Linear(6, 3), nn.ReLU())\n"
    )
    Path("folder").mkdir()
    (tmp_path / "folder" / "graph.nir").touch()
    (tmp_path / "folder" / "report.json").touch()
    return tmp_path


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("run net.nir --input s.npz --target closed-form --output net.nir", "--output net.nir: is what the run reads"),
        ("run net.nir --input s.npz --target closed-form --output ./s.npz", "--output s.npz: is what the run reads"),
        ("run net.nir --input s.npz --target closed-form --output o.txt", "outputs are written as .npz"),
        ("run net.nir --input s.npz --dt 0", "--dt 0.0: the time step must be above 0"),
        ("run net.nir --input s.npz --dt nan", "--dt nan: the time step must be above 0"),
        ("run net.nir --input s.npz --steps 0", "--steps 0: at least 1"),
        ("run net.nir --input s.npz --steps -3", "--steps -3: at least 1"),
        ("run net.nir --input s.npz --scale 2", "--scale 2.0: belongs to fixed point"),
        ("run net.nir --input s.npz --calib s.npz", "--calib s.npz: belongs to fixed point"),
        ("run net.nir --input pipe.npz", "--input pipe.npz: is neither a file nor a folder"),
        ("run folder --dt 1", "options of standard NIR graphs belong to .nir files"),
        ("compare folder folder -o x.npz", "-o x.npz: the comparison is a page"),
        ("sweep -o s --timesteps ,", "--timesteps ',': names no setting"),
        ("check net.py:build --shape -6", "--shape -6: give whole numbers above 0"),
        ("fit --timesteps 65", "--timesteps 65: tables have at most 64 steps"),
        ("generate folder --prompt a --temperature nan", "--temperature nan: give 0"),
        ("generate folder --prompt a --top-k 0", "--top-k 0: at least 1"),
        ("generate folder --prompt a --target foo", "--target foo: unknown"),
        ("convert --calib pipe.npz --model net.py:build", "--calib pipe.npz: is neither a file nor a folder"),
        ("convert --model net.py:build --calib x.npz -o x.npz/sub", "x.npz is a file); choose another folder"),
        ("convert --model net.py:build --calib one.npz -o o", "one.npz: array `input` is one number"),
        (
            "convert --model net.py:build --calib named.npz -o o",
            "class `a` cannot be matched with the classes of net.py:build (numbers from 0; 2 classes here)",
        ),
        ("convert --model leaves.py:build --calib x.npz -o o", "leaves.py:build: the call raised SystemExit: bye"),
        ("convert --model left.py:build --calib x.npz -o o", "left.py: importing it raised SystemExit: bye"),
        (f"convert --model net.py:build --calib x.npz -o {'a' * 300}", "cannot be written (File name too long)"),
    ],
)
def test_a_mistake_is_one_line_and_costs_no_file(
    line: str, words: str, here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = {path: path.read_bytes() for path in here.rglob("*") if path.is_file() and path.suffix != ".pyc"}
    assert main([*line.split()]) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1 and words in error
    assert {path: path.read_bytes() for path in before} == before
    assert not (here / "o").exists()


def test_what_the_exporter_logs_is_not_shown(here: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert main(["check", "net.py:build", "--shape", "7"]) == 2
    assert capfd.readouterr().err.count("\n") == 1


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (OSError(errno.ENOSPC, "No space left on device", "o/x"), "o/x: No space left on device; make room"),
        (OSError("Can't write data (error message = 'No space left on device')"), "No space left on device; make room"),
        (OSError(errno.EROFS, "Read-only file system", "o"), "o: Read-only file system; choose another place"),
        (OSError("odd\nlines"), "odd; check the path; --verbose says where this arose"),
        (
            MemoryError("Unable to allocate 74.5 GiB"),
            "not enough memory (Unable to allocate 74.5 GiB); give fewer samples",
        ),
    ],
)
def test_what_the_machine_refuses_is_one_line(
    error: Exception, words: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def refuse(*_: object) -> None:
        raise error

    monkeypatch.setattr(sys.modules["deploy.cli.convert"], "check_conversion", refuse)
    assert main(["convert"]) == 2
    found = capsys.readouterr().err
    assert found.startswith("error: ") and found.count("\n") == 1 and words in found


@pytest.mark.usefixtures("interruptible")
@pytest.mark.parametrize(
    ("number", "code", "words"), [(signal.SIGINT, 130, "interrupted\n"), (signal.SIGTERM, 143, "terminated\n")]
)
def test_a_signal_is_answered_by_one_word(
    number: signal.Signals, code: int, words: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys.modules["deploy.cli.convert"], "check_conversion", lambda _: os.kill(os.getpid(), number))
    monkeypatch.setattr(sys.modules["deploy.cli.convert"], "_rehearse", lambda _: None)
    assert ended(["convert", "--dry-run"]) == code
    assert capsys.readouterr().err == words


def ended(arguments: list[str]) -> Any:
    """The exit code of a command, returned or raised."""
    try:
        return main(arguments)
    except SystemExit as leaving:
        return leaving.code


def test_nobody_is_told_where_nobody_reads(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> None:
    def broken(*_: object) -> None:
        raise BrokenPipeError

    monkeypatch.setattr(sys.modules["deploy.cli.convert"], "check_conversion", broken)
    monkeypatch.setattr(os, "dup2", lambda *_: None)  # this process goes on with its output
    assert main(["convert"]) == CLOSED
    assert capfd.readouterr().err == ""


def test_results_that_are_no_numbers_are_one_error(
    converted: deploy.Conversion, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bad = replace(converted.report, latency_steps=-1)
    monkeypatch.setattr(Conversion, "report", property(lambda self: bad))
    with pytest.raises(DeployError, match="a result is not as it has to be"):
        converted.save(tmp_path / "out")
    assert list(tmp_path.iterdir()) == []


def test_a_models_exit_is_no_exit_of_ours(here: Path) -> None:
    with pytest.raises(DeployError, match="SystemExit"):
        load_model("leaves.py:build")
