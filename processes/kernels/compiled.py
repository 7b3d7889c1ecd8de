"""How kernels are compiled: by numba, cached on disk under a key that is the content of all kernel sources.

Numba's own cache asks only whether the file of the cached function changed. A kernel also holds the code of functions that it
inlines from other files, so after an edit there the old machine code would run. Here one digest of every kernel source names
the folder of the cache, and an edit to any of them makes a new one. The folder lies in ``NUMBA_CACHE_DIR`` if that is
set, else in the user's cache folder, so that several checkouts of the same sources share it.
"""

# numba's interface is annotated as returning nothing
# pyright: reportIncompatibleMethodOverride=false

from __future__ import annotations

import contextlib
import functools
import hashlib
import os
import shutil
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numba
from numba import config
from numba.core import event
from numba.core.caching import _CacheLocator
from numba.core.event import TimingListener

ROOT = Path(__file__).resolve().parents[2]
SOURCES = (
    "processes/**/kernels.py",
    "processes/kernels/*.py",
    "processes/fixed.py",
    "processes/thresholds.py",
    "processes/si_exp/fit.py",
)
"""Every file whose code can end up in a kernel; a test finds those that are missing here."""
PARALLEL: bool = config.NUMBA_NUM_THREADS > 1  # pyright: ignore[reportAttributeAccessIssue] - set by numba at run time
"""Whether loops are shared out to threads."""
KEPT = 16
"""How many cache folders of other source contents stay, newest first: other checkouts, and the state before an edit."""


@functools.cache
def sources() -> tuple[Path, ...]:
    """All kernel sources, sorted."""
    return tuple(sorted({path for pattern in SOURCES for path in ROOT.glob(pattern)}))


def digest(paths: Iterable[Path]) -> str:
    """A short name for numba's version, whether loops are parallel, and the names and contents of these files."""
    content = hashlib.sha256(f"{numba.__version__} {PARALLEL}".encode())
    for path in paths:
        content.update(path.relative_to(ROOT).as_posix().encode() + b"\0" + path.read_bytes() + b"\0")
    return content.hexdigest()[:16]


@functools.cache
def cache_folder() -> Path:
    """Folder of the present sources' kernels; if it does not exist yet, older folders beyond ``KEPT`` are removed."""
    root = os.environ.get("NUMBA_CACHE_DIR") or os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    folder = Path(root) / "spikedeploy" / "kernels" / digest(sources())
    with contextlib.suppress(OSError):  # another process may prune at the same time
        if not folder.exists() and folder.parent.exists():
            for old in sorted(folder.parent.iterdir(), key=lambda path: path.stat().st_mtime, reverse=True)[KEPT:]:
                shutil.rmtree(old, ignore_errors=True)
    return folder


class ContentLocator(_CacheLocator):
    """Tells numba where a kernel is cached; functions of other packages are left to numba's own locators."""

    def __init__(self, py_func: Callable[..., Any], py_file: str) -> None:
        self.name = Path(py_file).resolve().relative_to(ROOT).as_posix().replace("/", ".")
        self.line = py_func.__code__.co_firstlineno

    def get_cache_path(self) -> str:
        """Path of the cache folder, as numba's interface asks for it."""
        return str(cache_folder())

    def get_source_stamp(self) -> str:
        """Digest of all kernel sources: cached code whose stamp differs is not used."""
        return cache_folder().name

    def get_disambiguator(self) -> str:
        """File and line of the function, as the functions of all files share the folder."""
        return f"{self.name}-{self.line}"

    @classmethod
    def from_function(cls, py_func: Callable[..., Any], py_file: str) -> ContentLocator | None:
        """A locator for a function of this package, None for others and where the folder cannot be written."""
        if Path(py_file).resolve() not in sources():
            return None
        locator = cls(py_func, py_file)
        try:
            locator.ensure_cache_path()
        except OSError:
            return None
        return locator


OWN = f"{__name__}.ContentLocator"
NUMBAS = "UserProvidedCacheLocator,InTreeCacheLocator,UserWideCacheLocator,IPythonCacheLocator,ZipCacheLocator"
if OWN not in config.CACHE_LOCATOR_CLASSES:  # pyright: ignore[reportAttributeAccessIssue] - set by numba at run time
    config.CACHE_LOCATOR_CLASSES = f"{OWN},{config.CACHE_LOCATOR_CLASSES or NUMBAS}"  # pyright: ignore[reportAttributeAccessIssue]


class _Compilations(TimingListener):
    """Adds up the seconds of all compilations in this process; a kernel that is read from the cache adds nothing."""

    _duration = 0.0


_COMPILATIONS = _Compilations()
event.register("numba:compile", _COMPILATIONS)


def compiling() -> float:
    """Seconds that this process has spent on compiling kernels so far."""
    return _COMPILATIONS.duration


def njit(*function: Callable[..., Any], parallel: bool = False, **options: Any) -> Any:
    """numba's ``njit``, which kernels import from here so that the cache above is in place before they are decorated.

    With a single thread, parallel loops are compiled as plain ones: they compute the same and compile twice as fast.
    """
    decorator: Callable[..., Any] = numba.njit
    return decorator(*function, parallel=parallel and PARALLEL, **options)
