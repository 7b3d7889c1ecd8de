"""Output folders that are complete or absent: written under a hidden name beside their path, then moved there."""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path

from deploy.errors import DeployError
from processes import leftovers

GRAPH = "graph.nir"
REPORT = "report.json"
PAGE = "report.html"
TRAINED = "trained.json"
CONVERSION = (GRAPH, REPORT)
"""Files by which a folder is recognised as a conversion."""


@contextlib.contextmanager
def output_folder(path: Path, force: bool = False, marks: tuple[str, ...] = CONVERSION) -> Iterator[Path]:
    """Yield a scratch folder that becomes `path` if the block ends without an exception, and is removed otherwise.

    The scratch folder lies beside `path`, so that the move is one rename. `marks`: files by which an earlier folder of
    the same kind is recognised.

    Raises:
        DeployError: `path` cannot be written, holds an earlier folder of the same kind and `force` is not set, or holds
            anything else. Checked before the block runs, and again after it.
    """
    path = path.expanduser().absolute()
    _tidy(path)
    check_replaceable(path, force, marks)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        scratch = _sibling(path, "partial")
        scratch.mkdir()
    except OSError as error:
        reason = f"{above} is a file" if (above := _file_above(path)) else error.strerror
        raise DeployError(f"-o {path}: cannot be written ({reason}); choose another folder") from error
    try:
        yield scratch
        check_replaceable(path, force, marks)  # somebody else may have written there meanwhile
        _replace(scratch, path)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def check_replaceable(path: Path, force: bool, marks: tuple[str, ...] = CONVERSION) -> None:
    """Raise DeployError unless `path` is free or empty, or holds all `marks` and `force` is set."""
    try:
        path.lstat()
    except (FileNotFoundError, NotADirectoryError):
        return
    except OSError as error:
        raise DeployError(f"-o {path}: cannot be written ({error.strerror}); choose another folder") from error
    if path.is_symlink() and not path.exists():
        raise DeployError(f"-o {path}: is a link that leads nowhere; choose a folder")
    if not path.is_dir():
        raise DeployError(f"-o {path}: is a file; choose a folder")
    held = {entry.name for entry in path.iterdir()}
    if not held:
        return
    if not all((path / mark).is_file() for mark in marks):
        some = ", ".join(sorted(held)[:3])
        raise DeployError(f"-o {path}: holds other files ({some}), which are never removed; choose another folder")
    if not force:
        kind = "a conversion" if marks == CONVERSION else "an export"
        raise DeployError(f"-o {path}: already holds {kind}; --force replaces it, or choose another folder")


def check_free(file: Path, force: bool) -> None:
    """Raise DeployError if ``file`` exists and ``force`` does not allow to replace it."""
    if file.exists() and not force:
        raise DeployError(f"-o {file}: exists; --force replaces it, or choose another name")


def is_conversion(path: Path) -> bool:
    """Whether the folder is one that `deploy convert` wrote."""
    return all((path / name).is_file() for name in CONVERSION)


def require_conversion(path: Path) -> Path:
    """The folder, if it is a conversion; raises DeployError otherwise."""
    if not path.exists() and path.suffix == ".nir":
        raise DeployError(f"{path}: no such file; check the path, or write one: `deploy export OUT -o {path}`")
    if not path.exists():
        raise DeployError(f"{path}: no such folder; check the path, or make it: `deploy convert -o {path}`")
    if path.is_file():
        raise DeployError(f"{path}: is a file; give a folder that deploy convert wrote")
    if (path / TRAINED).is_file():
        raise DeployError(
            f"{path}: deploy trained wrote it, and this command takes what deploy convert wrote; use `deploy verify` or "
            f"`deploy energy` on it, or `deploy run {path / 'whole.nir'} --input DATA`"
        )
    if not is_conversion(path):
        raise DeployError(f"{path}: holds no {GRAPH} and {REPORT}; give a folder that deploy convert wrote")
    return path


def require_conversions(paths: Sequence[Path]) -> None:
    """Raise DeployError unless these are two conversions or more."""
    if len(paths) < 2:
        raise DeployError(f"{len(paths)} conversion is nothing to compare; give two folders or more")
    for path in paths:
        require_conversion(path)


def _file_above(path: Path) -> Path | None:
    """The file that stands where a folder above ``path`` would have to be; None if there is none."""
    return next((each for each in path.parents if each.is_file()), None)


def _tidy(path: Path) -> None:
    """Remove what killed runs left beside `path`, and restore an older folder that one of them had moved away."""
    for old in leftovers.left_in(path.parent, f".{path.name}.old-"):
        if not path.exists():
            old.rename(path)
    for word in ("partial", "old"):
        leftovers.remove(path.parent, f".{path.name}.{word}-")


def _replace(scratch: Path, path: Path) -> None:
    """Rename `scratch` to `path`; a folder that was there is removed only once the new one is in place."""
    if not path.exists():
        scratch.rename(path)
        return
    old = _sibling(path, "old")
    path.rename(old)
    try:
        scratch.rename(path)
    except OSError:
        old.rename(path)
        raise
    shutil.rmtree(old, ignore_errors=True)


def _sibling(path: Path, word: str) -> Path:
    """An unused hidden path beside `path`, on the same file system."""
    return path.with_name(f".{path.name}.{word}-{leftovers.token()}")
