"""Ctrl-C, SIGTERM and a full disk in every command that runs long: one line, nothing left, what was there as it was."""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
import signal
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import nir
import numpy as np
import pytest

from deploy import evaluation, golden
from deploy.cli import main
from deploy.conversion import Conversion
from deploy.evaluation import summary, work
from deploy.language.generate import Token
from deploy.progress import BarProgress
from deploy.report import figures
from deploy.sweep import point, workers
from processes import files

MODEL = """
import torch
def build():
    torch.manual_seed(0)
    return torch.nn.Sequential(torch.nn.Linear(6, 4), torch.nn.ReLU(), torch.nn.Linear(4, 3))
"""
CONVERT = "convert --model net.py:build --calib x.npz --timesteps 8 --base 1.4 --target stepper -o out --force"
PHASES = (
    "calibrate", "take derivatives", "choose the codes", "correct biases", "discretise", "original model",
    "spiking, closed form", "stepped on stepper",
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
        for module in (files, figures, evaluation, summary, point, golden):
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


@pytest.fixture(scope="module")
def converted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a model, data, and a conversion in ``net``."""
    folder = tmp_path_factory.mktemp("converted")
    (folder / "net.py").write_text(MODEL)
    np.savez(folder / "x.npz", input=np.random.default_rng(0).normal(size=(8, 6)).astype(np.float32))
    line = f"convert --model {folder}/net.py:build --calib {folder}/x.npz --timesteps 8 --base 1.4 --target closed-form"
    assert main([*line.split(), "-o", str(folder / "net")]) == 0
    return folder


@pytest.fixture
def beside(converted: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The same, as the working folder; workers are threads of this process."""
    monkeypatch.chdir(converted)

    def inline(job: Any, numbers: Any, cut: Any, _: int) -> Iterator[tuple[int, Any]]:
        for number in numbers:
            yield number, work.run_batch(job, cut(number))

    @contextlib.contextmanager
    def threads(number: int) -> Iterator[ThreadPoolExecutor]:
        with ThreadPoolExecutor(number) as pool:
            yield pool

    monkeypatch.setattr(evaluation, "on_this_machine", inline)
    monkeypatch.setattr(workers.children, "workers", threads)
    return converted


def held(folder: Path) -> dict[str, bytes]:
    """Every file, but for what Python caches."""
    kept = (path for path in folder.rglob("*") if path.is_file() and path.suffix != ".pyc")
    return {str(path.relative_to(folder)): path.read_bytes() for path in kept}


EVALUATE = "evaluate net --data x.npz --batch-size 4 --trust"
SWEEP = "sweep --model net.py:build --calib x.npz --timesteps 8,9 --base 1.4 --workers 1 -o sw"
COMMANDS = [
    ("verify net --trust --target stepper --samples 2", "run on stepper", set()),
    ("export net -o out.nir", "out.nir", set()),
    ("export net --plain --trust -o out.nir", "out.data.nir", {"out.nir"}),
    ("export net -o out.nir", "out.golden.npz", {"out.nir"}),
    (EVALUATE, "evaluate on closed-form", {"net/evaluation.unfinished/"}),
    (EVALUATE, "evaluation.npz", {"net/evaluation.unfinished/"}),
    (SWEEP, "original model", {"sw/"}),
    (SWEEP, "sweep", {"sw/"}),
    (SWEEP, "T9-B1.4-spiked-attention-fixed-1spikes.json", {"sw/"}),
]
"""A command, where it is interrupted, and what of it stays for the next that does the same."""


@pytest.mark.usefixtures("interruptible")
@pytest.mark.parametrize(("place", "line", "what", "kept"), [(n, *one) for n, one in enumerate(COMMANDS)])
def test_a_signal_leaves_what_was_there_and_what_is_gone_on_with(
    place: int, line: str, what: str, kept: set[str], beside: Path, at: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    number, code, word = ((signal.SIGINT, 130, "interrupted"), (signal.SIGTERM, 143, "terminated"))[place % 2]
    before = held(beside)
    reached = at(what, lambda: os.kill(os.getpid(), number))
    try:
        assert ended(line) == code
        assert what in reached
        assert last_line(capsys) == word
        after = held(beside)
        assert {name: after.get(name) for name in before} == before
        new = after.keys() - before.keys()
        assert all(any(name.startswith(start) for start in kept) for name in new) and not any(
            "partial" in n for n in new
        )
    finally:
        for name in held(beside).keys() - before.keys():
            (beside / name).unlink()
        shutil.rmtree(beside / "net" / evaluation.UNFINISHED, ignore_errors=True)
        shutil.rmtree(beside / "sw", ignore_errors=True)


@pytest.mark.parametrize(
    ("line", "what"), [(EVALUATE, "000001.npz"), (EVALUATE, "evaluation.npz"), (SWEEP, "sweep.json")]
)
def test_what_a_full_disk_stopped_goes_on_once_there_is_room(
    line: str, what: str, beside: Path, at: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    before = held(beside)
    at(what, full)
    assert ended(line) == 2
    assert "No space left on device; make room" in last_line(capsys)
    found = held(beside)
    assert {name: found.get(name) for name in before} == before and not any("partial" in name for name in found)
    assert ended(line + (" --resume" if line == EVALUATE else "")) == 0  # the control: with room it ends
    shutil.rmtree(beside / "sw", ignore_errors=True)
    for name in ("evaluation.npz", "evaluation.json"):
        (beside / "net" / name).unlink(missing_ok=True)


@pytest.mark.usefixtures("interruptible")
@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_between_two_tokens_ends_generation(
    number: signal.Signals, code: int, beside: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def tokens(*_: object, **__: object) -> Iterator[Token]:
        yield Token(1, "first", 3, 1, 1.0, 8)
        os.kill(os.getpid(), number)
        yield Token(2, "second", 1, 1, 1.0, 8)

    monkeypatch.setattr(Conversion, "generate", tokens)
    assert ended("generate net --prompt a --trust") == code
    said = capsys.readouterr()
    assert said.out == "first" and said.err.splitlines()[-1] in ("interrupted", "terminated")
