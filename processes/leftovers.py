"""Files, folders and semaphores that killed processes left behind, found by their names and removed.

SIGKILL runs no cleanup. So everything temporary has the :func:`token` of its process in its name, and the next process
that makes something of the kind first removes what belongs to ended processes. Whether a process of another machine or
container is running cannot be known, so what such processes left, as on a shared disk, stays.
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
    """A unique name that states which process made it: machine and container, process number, start time."""
    return f"{_place()}_{os.getpid()}_{_started(os.getpid())}_{secrets.token_hex(4)}"


def is_left(name: str) -> bool:
    """Whether ``name`` holds a :func:`token` of a process of this machine that has ended."""
    found = _TOKEN.search(name)
    if found is None or found[1] != _place():
        return False
    now = _started(int(found[2]))
    return now < 0 or (now > 0 and now != int(found[3]))  # a later process may have the same number


def left_in(folder: Path, start: str) -> list[Path]:
    """Paths in ``folder`` that begin with ``start`` and that ended processes left; none if it cannot be read."""
    with contextlib.suppress(OSError):
        return sorted(path for path in folder.iterdir() if path.name.startswith(start) and is_left(path.name))
    return []


def remove(folder: Path, start: str) -> None:
    """Remove the files and folders that :func:`left_in` finds, as far as permissions allow."""
    for path in left_in(folder, start):
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path, ignore_errors=True)
        else:
            with contextlib.suppress(OSError):
                path.unlink()


@contextlib.contextmanager
def scratch_folder(word: str) -> Iterator[Path]:
    """A temporary folder for the duration of a block; removes those that killed processes left."""
    place = Path(tempfile.gettempdir())
    remove(place, f"{PREFIX}-")
    with tempfile.TemporaryDirectory(prefix=f"{PREFIX}-{word}-{token()}-", dir=place) as name:
        yield Path(name)


def name_semaphores() -> None:
    """Put a :func:`token` into the names of this process's multiprocessing semaphores; remove those of killed ones."""
    remove(SEMAPHORES, f"sem.{PREFIX}-")
    settings = getattr(multiprocessing.current_process(), "_config", {})
    settings["semprefix"] = f"/{PREFIX}-{token()}"


@functools.cache
def _place() -> str:
    """Eight hexadecimal digits for this machine since its start and for the namespace of its process numbers."""
    found = (
        [Path("/proc/sys/kernel/random/boot_id").read_text()] if Path("/proc/self").exists() else [os.uname().nodename]
    )
    with contextlib.suppress(OSError):
        found.append(os.readlink("/proc/self/ns/pid"))
    return hashlib.sha256("".join(found).encode()).hexdigest()[:8]


def _started(process: int) -> int:
    """Start time of a process in ticks since the machine started; 0 if unknown, -1 if there is no such process."""
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
    """-1 if no process has this number, else 0, also if permissions forbid to ask; for systems without /proc."""
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return -1
    except OSError:
        return 0
    return 0
