"""What killed runs leave is removed by the next start, and what living ones are at work on is not."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from deploy.output import output_folder
from processes import leftovers
from processes.files import atomic_write
from targets import children

WORK = """
import sys, time
from pathlib import Path
from deploy.output import output_folder
from processes.files import atomic_write
from processes.leftovers import name_semaphores, scratch_folder
import multiprocessing

name_semaphores()
lock = multiprocessing.get_context("spawn").Lock()
with output_folder(Path("out")), atomic_write(Path("a.npz")), scratch_folder("test"):
    print("working", flush=True)
    time.sleep(600)
"""


class Run:
    """A process that holds one of each."""

    def __init__(self, folder: Path) -> None:
        environment = os.environ | {"PYTHONPATH": str(Path(__file__).parents[2]), "TMPDIR": str(folder / "tmp")}
        self.process = subprocess.Popen(
            [sys.executable, "-c", WORK], cwd=folder, env=environment, stdout=subprocess.PIPE, start_new_session=True
        )
        assert self.process.stdout is not None and self.process.stdout.readline() == b"working\n"

    def kill(self) -> None:
        """With everything that it started, as a lack of memory or a container's end does."""
        if self.process.returncode is None:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.communicate()


@pytest.fixture
def killed(tmp_path: Path) -> Iterator[Run]:
    (tmp_path / "tmp").mkdir()
    run = Run(tmp_path)
    yield run
    run.kill()


def held(folder: Path, run: Run) -> list[str]:
    """Names of all that the run has made and not removed."""
    places = (folder, folder / "tmp", leftovers.SEMAPHORES)
    names = [path.name for place in places for path in place.iterdir()]
    return sorted(name for name in names if f"_{run.process.pid}_" in name)


def start_again(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What any later run of the same command does."""
    monkeypatch.setattr(tempfile, "tempdir", str(folder / "tmp"))
    with output_folder(folder / "out", force=True, marks=()), atomic_write(folder / "a.npz"):
        pass
    with leftovers.scratch_folder("test"):
        pass
    with children.workers(1):
        pass


def test_the_next_start_removes_what_a_killed_run_left(
    killed: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kinds = held(tmp_path, killed)
    assert len(kinds) == 4
    start_again(tmp_path, monkeypatch)
    assert held(tmp_path, killed) == kinds  # it is alive
    killed.kill()
    assert held(tmp_path, killed) == kinds  # so killing it is what leaves them
    start_again(tmp_path, monkeypatch)
    assert held(tmp_path, killed) == [] and (tmp_path / "out").is_dir()


def left(pid: int = 2**22 + 1, started: int = 5, place: str | None = None) -> str:
    """The name that such a process would have given."""
    return f"{place or leftovers.token()[:8]}_{pid}_{started}_0123abcd"


def test_an_older_output_that_was_moved_away_is_put_back(tmp_path: Path) -> None:
    old = tmp_path / f".out.old-{left()}"
    old.mkdir()
    (old / "kept").write_text("")
    with pytest.raises(Exception, match="holds other files"), output_folder(tmp_path / "out"):
        pass
    assert (tmp_path / "out" / "kept").exists() and not old.exists()


def test_whose_it_is() -> None:
    own = leftovers.token()
    assert not leftovers.is_left(own) and own != leftovers.token()
    assert leftovers.is_left(left()) and leftovers.is_left(left(os.getpid(), 5))  # the number is another's now
    assert not leftovers.is_left(left(place="0" * 8)) and not leftovers.is_left("out.partial-1234abcd")


def test_without_proc(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(leftovers, "_started", leftovers._alive)
    assert leftovers.is_left(left(started=0)) and not leftovers.is_left(left(os.getpid(), 0))


def test_what_others_made_stays(tmp_path: Path) -> None:
    for name in (".out.partial-notes", f".other.partial-{left()}", f"out.partial-{left()}"):
        (tmp_path / name).mkdir()
    with output_folder(tmp_path / "out"):
        pass
    assert len(list(tmp_path.iterdir())) == 4
