"""Ctrl-C, SIGTERM and a full disk in each phase of a conversion: one line, nothing left, an earlier conversion as it was."""

from __future__ import annotations

import contextlib
import errno
import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import nir
import numpy as np
import pytest

from deploy.cli import main
from deploy.progress import BarProgress
from deploy.report import figures
from processes import files

MODEL = """
import torch
def build():
    torch.manual_seed(0)
    return torch.nn.Sequential(torch.nn.Linear(6, 4), torch.nn.ReLU(), torch.nn.Linear(4, 3))
"""
CONVERT = "convert --model net.py:build --calib x.npz --timesteps 8 --base 1.4 --target stepper -o out --force"
PHASES = (
    "calibrate", "choose the codes", "weigh tokens", "correct biases", "discretise", "original model", "spiking, closed form",
    "stepped on stepper",
)  # fmt: skip
"""Stages of a conversion, as its progress names them."""
WRITTEN = ("report.json", "run.yaml", "figures.npz", "report.html")


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a model, data, and what stands for an earlier conversion."""
    monkeypatch.chdir(tmp_path)
    Path("net.py").write_text(MODEL)
    np.savez("x.npz", input=np.random.default_rng(0).normal(size=(8, 6)).astype(np.float32))
    Path("out").mkdir()
    for name in ("graph.nir", "report.json"):
        (tmp_path / "out" / name).write_text("earlier")
    return tmp_path


@pytest.fixture
def at(monkeypatch: pytest.MonkeyPatch) -> Callable[[str, Callable[[], None]], list[str]]:
    """Arranges that something happens in the middle of a stage, or of the writing of a file; gives what was reached."""

    def arrange(what: str, happens: Callable[[], None]) -> list[str]:
        reached: list[str] = []

        def event(name: str) -> None:
            reached.append(name)
            if name == what and reached.count(name) == 1:
                happens()

        stage, write = BarProgress.stage, files.atomic_write

        @contextlib.contextmanager
        def watched(self: BarProgress, title: str, total: int | None = None) -> Iterator[Callable[[int], None]]:
            with stage(self, title, total) as advance:

                def advanced(units: int) -> None:
                    advance(units)
                    event(title)

                yield advanced

        @contextlib.contextmanager
        def written(path: Path) -> Iterator[Any]:
            with write(path) as file:
                file.write(b"a part")
                event(path.name)
                file.seek(0)
                yield file

        monkeypatch.setattr(BarProgress, "stage", watched)
        for module in (files, figures):
            monkeypatch.setattr(module, "atomic_write", written)
        return reached

    return arrange


def ended(line: str) -> Any:
    """The exit code of a command, returned or raised."""
    try:
        return main(line.split())
    except SystemExit as leaving:
        return leaving.code


def unchanged(folder: Path) -> bool:
    """Whether the earlier conversion is as it was, and nothing lies beside it."""
    names = {path.name for path in folder.iterdir()} - {"__pycache__"}
    held = {path.name: path.read_bytes() for path in (folder / "out").iterdir()}
    return names == {"net.py", "x.npz", "out"} and held == {"graph.nir": b"earlier", "report.json": b"earlier"}


def last_line(capsys: pytest.CaptureFixture[str]) -> str:
    error = capsys.readouterr().err
    assert "Traceback" not in error
    return error.splitlines()[-1]


@pytest.mark.usefixtures("interruptible")
@pytest.mark.parametrize(("place", "what"), list(enumerate((*PHASES, WRITTEN[0]))))
def test_a_signal_in_any_phase_leaves_everything_as_it_was(
    place: int, what: str, here: Path, at: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    number, code, word = ((signal.SIGINT, 130, "interrupted"), (signal.SIGTERM, 143, "terminated"))[place % 2]
    reached = at(what, lambda: os.kill(os.getpid(), number))
    assert ended(CONVERT) == code
    assert reached[-1] == what
    assert last_line(capsys) == word
    assert unchanged(here)


def test_every_phase_is_reached_where_nothing_happens(here: Path, at: Any) -> None:
    reached = at("nowhere", lambda: None)
    assert ended(CONVERT) == 0
    assert set(reached) >= {*PHASES, *WRITTEN}
    assert not unchanged(here)  # the control: it is replaced


def full() -> None:
    raise OSError(errno.ENOSPC, "No space left on device")


def test_a_full_disk_leaves_everything_as_it_was(here: Path, at: Any, capsys: pytest.CaptureFixture[str]) -> None:
    at(WRITTEN[-1], full)
    assert ended(CONVERT) == 2
    assert "No space left on device; make room" in last_line(capsys)
    assert unchanged(here)


def test_outputs_of_a_run_are_whole_or_as_they_were(
    here: Path, at: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    nir.write("net.nir", nir.NIRGraph.from_list(nir.Linear(np.ones((2, 3)))))
    np.savez("s.npz", x=np.ones((1, 2, 3)))
    Path("o.npz").write_text("earlier")
    at("o.npz", full)
    assert main(["run", "net.nir", "--input", "s.npz", "--target", "closed-form", "--output", "o.npz"]) == 2
    assert "--output o.npz: cannot be written (No space left on device)" in last_line(capsys)
    assert Path("o.npz").read_text() == "earlier"
    monkeypatch.undo()
    monkeypatch.chdir(here)
    assert main(["run", "net.nir", "--input", "s.npz", "--target", "closed-form", "--output", "o.npz"]) == 0
    assert np.load("o.npz")["output"].shape == (1, 2, 2)
