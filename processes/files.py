"""Files that are whole or as they were: written beside their place and moved there when complete."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import BinaryIO

from processes import leftovers


@contextlib.contextmanager
def atomic_write(path: Path) -> Iterator[BinaryIO]:
    """An open file that takes the place of ``path`` when the block ends.

    If the block raises, whatever was at ``path`` stays and the temporary file is removed. What a killed process left of
    an earlier attempt is removed first. A reader sees the old content or the new one, never a part.

    Raises:
        OSError: the folder cannot be written.
    """
    leftovers.remove(path.parent, f".{path.name}.partial-")
    scratch = path.with_name(f".{path.name}.partial-{leftovers.token()}")
    try:
        with scratch.open("wb") as file:
            yield file
        scratch.replace(path)
    finally:
        scratch.unlink(missing_ok=True)


def write_hdf5(path: Path, write: Callable[[BinaryIO], None]) -> None:
    """Let ``write`` fill a buffer in memory and write that by :func:`atomic_write`.

    HDF5 itself neither raises OSError on a full disk nor closes the file.

    Raises:
        OSError: the file cannot be written.
    """
    content = io.BytesIO()
    write(content)
    with atomic_write(path) as file:
        file.write(content.getbuffer())


def write_text(path: Path, text: str) -> None:
    """Write ``text`` in UTF-8 by :func:`atomic_write`."""
    with atomic_write(path) as file:
        file.write(text.encode())
