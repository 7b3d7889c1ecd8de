"""What a killed process leaves behind, found by its name and removed by the next that wants the same.

SIGKILL runs no cleanup. So everything temporary is named by its process, a :func:`token`, and whoever makes the next thing of
the kind first removes those whose process is gone. Processes of another machine or container, as on a shared disk, cannot be
asked, and what they left stays.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import multiprocessing
import os
import re
import secrets
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

PREFIX = "spikedeploy"
SEMAPHORES = Path("/dev/shm")
"""Where Linux keeps named semaphores, as sem.NAME."""
_TOKEN = re.compile(r"([0-9a-f]{8})_(\d+)_(\d+)_[0-9a-f]{8}")


def token() -> str:
    """A name that nothing else has, and that says which process made it, on which machine and since when that runs."""
    return f"{_place()}_{os.getpid()}_{_started(os.getpid())}_{secrets.token_hex(4)}"


def is_left(name: str) -> bool:
    """Whether ``name`` holds a :func:`token` of a process of this machine that has ended."""
    found = _TOKEN.search(name)
    if found is None or found[1] != _place():
        return False
    now = _started(int(found[2]))
    return now < 0 or (now > 0 and now != int(found[3]))  # a later process may have the same number


def left_in(folder: Path, start: str) -> list[Path]:
    """What ended processes left in ``folder`` under names that begin with ``start``; none where it cannot be read."""
    with contextlib.suppress(OSError):
        return sorted(path for path in folder.iterdir() if path.name.startswith(start) and is_left(path.name))
    return []


def remove(folder: Path, start: str) -> None:
    """Remove what :func:`left_in` finds, as far as this user may."""
    for path in left_in(folder, start):
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path, ignore_errors=True)
        else:
            with contextlib.suppress(OSError):
                path.unlink()


@contextlib.contextmanager
def scratch_folder(word: str) -> Iterator[Path]:
    """A temporary folder for a block; removes those that killed processes left."""
    place = Path(tempfile.gettempdir())
    remove(place, f"{PREFIX}-")
    with tempfile.TemporaryDirectory(prefix=f"{PREFIX}-{word}-{token()}-", dir=place) as name:
        yield Path(name)


def name_semaphores() -> None:
    """Name this process's semaphores of multiprocessing by it; removes those that killed processes left."""
    remove(SEMAPHORES, f"sem.{PREFIX}-")
    settings = getattr(multiprocessing.current_process(), "_config", {})
    settings["semprefix"] = f"/{PREFIX}-{token()}"


@functools.cache
def _place() -> str:
    """This machine since it was started, and the container's process numbers, as eight digits."""
    found = (
        [Path("/proc/sys/kernel/random/boot_id").read_text()] if Path("/proc/self").exists() else [os.uname().nodename]
    )
    with contextlib.suppress(OSError):
        found.append(os.readlink("/proc/self/ns/pid"))
    return hashlib.sha256("".join(found).encode()).hexdigest()[:8]


def _started(process: int) -> int:
    """When a process started, in ticks since the machine did; 0 where that is not known, -1 if there is no such process."""
    try:
        fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    except FileNotFoundError:
        if Path("/proc/self").exists():
            return -1
        return _alive(process)
    except OSError:
        return 0
    return -1 if fields[0] == "Z" else int(fields[19])


def _alive(process: int) -> int:
    """0 if there is such a process, or nobody may say, -1 if not: without /proc."""
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return -1
    except OSError:
        return 0
    return 0
