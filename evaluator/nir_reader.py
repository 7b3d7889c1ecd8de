"""Reads NIR files from untrusted sources: the content is inspected before any of it is loaded.

An HDF5 file can declare arrays far larger than itself, link to other files and contain itself. So every object is
visited first, without reading its data; memory and time stay within a small multiple of the file's size.
"""

from __future__ import annotations

import math
import multiprocessing
import os
import resource
import signal
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import nir
import numpy as np
from h5py import h5o  # pyright: ignore[reportAttributeAccessIssue]

from evaluator.nir_versions import Repair, modernise
from processes.errors import DeployError

SMALL = 2**20
"""Largest array in bytes whose compression ratio is not checked."""
RATIO = 1100
"""Highest compression ratio accepted; deflate, the densest filter that NIR files use, reaches at most 1032."""
PATIENCE, SPEED = 5.0, 2**22
"""Loading may take PATIENCE seconds of processor time, and one more for every SPEED bytes of unpacked content."""
VISITED, LONGEST = 2**18, 120.0
"""The visit before may take PATIENCE seconds, and one more for every VISITED bytes on disk, at most LONGEST more."""
BUSY = 20.0
"""Seconds of wall-clock time allowed for each second of processor time, for a machine under load."""
OBJECTS = 200_000
"""Most groups and arrays in one file: about 20,000 nodes."""
DEPTH = 64
"""Deepest nesting of groups; a nested graph takes two levels."""


@dataclass(frozen=True)
class ReadFile:
    """A file's graph, without NIR's type check, the version of nir that it names, and the repairs that were made."""

    graph: nir.NIRGraph
    version: str | None
    repairs: tuple[Repair, ...]


def read_graph(path: Path, *, tried: bool = False) -> nir.NIRGraph:
    """The graph in a NIR file.

    Args:
        path: the file.
        tried: as for :func:`read_file`.

    Raises:
        DeployError: as by :func:`read_file`.
    """
    return read_file(path, tried=tried).graph


def read_file(path: Path, *, tried: bool = False) -> ReadFile:
    """Read a NIR file; content of older versions of nir is converted to the present form.

    Args:
        path: the file.
        tried: whether another process has read this same file before, so that no separate process has to try it first.

    Raises:
        DeployError: the file does not exist, is not HDF5, is damaged, is not NIR, or exceeds the limits of this module.
    """
    if not path.is_file():
        raise DeployError(f"{path}: no such file; give a .nir file or a folder that `deploy convert` wrote")
    if not tried:
        safely(_load, path)
    found = _load(path)
    if not isinstance(found.graph, nir.NIRGraph):
        kind = type(found.graph).__name__
        raise DeployError(f"{path}: holds a single {kind}; wrap it with nir.NIRGraph.from_list")
    return found


def _load(path: Path) -> ReadFile:
    try:
        with h5py.File(path, "r") as file:
            if not isinstance(file.get("node"), h5py.Group):
                raise DeployError(f"{path}: an HDF5 file without a group `node`, so not a NIR graph")
            inspect(file, path)
            stated: Any = file.get("version")
            version = stated[()] if isinstance(stated, h5py.Dataset) else None
            content, repairs = modernise(_contents(file["node"]))  # type: ignore[arg-type]
        named = version.decode("utf8", "replace") if isinstance(version, bytes) else None
        graph: Any = nir.dict2NIRNode(content)
        return ReadFile(graph, named, tuple(repairs))
    except DeployError:
        raise
    except Exception as error:  # h5py and nir raise whatever a damaged file makes them stumble over
        reason = " ".join(str(error).split())[:300] or "no reason given"
        raise DeployError(
            f"{path}: not readable as a NIR graph ({type(error).__name__}: {reason}); write it again with nir.write"
        ) from error


def _contents(group: h5py.Group) -> dict[str, Any]:
    """The fields of a node, nested groups as dictionaries; nested graphs at any depth have NIR's type check turned off.

    Raises:
        ValueError: a node has a field ``type_check``.
    """
    found: dict[str, Any] = {}
    for key, item in group.items():
        if isinstance(item, h5py.Group):
            found[key] = _contents(item)
        else:
            value = item[()]
            found[key] = value.decode("utf8") if isinstance(value, bytes) else value
    if "type_check" in found:
        raise ValueError("a node with a field `type_check`, which nir.read takes for itself")
    if found.get("type") == "NIRGraph" and isinstance(found.get("nodes"), Mapping):
        found["type_check"] = False
    return found


def safely(load: Callable[[Path], Any], path: Path) -> None:
    """Try ``load(path)`` in a separate process, as the HDF5 library hangs or crashes on some damaged files.

    Raises:
        DeployError: ``load`` raises one (the message is passed on), crashes, or takes too long.
    """
    here, there = multiprocessing.Pipe(duplex=False)
    child: Any = multiprocessing.get_context("fork").Process(target=_attempt, args=(load, path, there), daemon=True)
    child.start()
    there.close()
    try:
        size = _awaited(here, _visit(path), path)
        message = _awaited(here, _visit(path) + PATIENCE + size / SPEED, path)  # loading begins with a visit, too
    except EOFError:
        child.join()
        if child.exitcode == -signal.SIGXCPU:
            raise DeployError(f"{path}: reading it does not end; the file is damaged") from None
        raise DeployError(f"{path}: the HDF5 library crashes on it; the file is damaged") from None
    finally:
        child.kill()
        child.join()
        child.close()
        here.close()
    if message:
        raise DeployError(message)


def _awaited(here: Any, seconds: float, path: Path) -> Any:
    if not here.poll(BUSY * seconds):
        raise DeployError(f"{path}: reading it does not end; the file is damaged")
    return here.recv()


def _attempt(load: Callable[[Path], Any], path: Path, there: Any) -> None:
    """Run in the child process: send the size of the content, load it, send the error message, "" if there is none."""
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)  # hide what the library prints when it crashes
    _limit(_visit(path))
    size = _size(path)
    there.send(size)
    _limit(2 * _visit(path) + PATIENCE + size / SPEED)
    message = ""
    try:
        load(path)
    except DeployError as error:
        message = str(error)
    there.send(message)


def _visit(path: Path) -> float:
    """Seconds of processor time in which every object of a file can be visited."""
    return PATIENCE + min(LONGEST, path.stat().st_size / VISITED)


def _limit(seconds: float) -> None:
    """Let the system end this process once it has used ``seconds`` of processor time in all."""
    resource.setrlimit(resource.RLIMIT_CPU, (math.ceil(seconds), resource.getrlimit(resource.RLIMIT_CPU)[1]))


def _size(path: Path) -> int:
    """Bytes of all arrays once loaded; 0 if they cannot be determined, in which case loading will fail too."""
    try:
        with h5py.File(path, "r") as file:
            return inspect(file, path)
    except Exception:  # `load` meets the same error and reports it
        return 0


def inspect(file: h5py.File, path: Path) -> int:
    """Visit every object of a file without reading its data; returns the bytes of all arrays once loaded.

    Raises:
        DeployError: an object is a link, occurs twice, is neither group nor array of numbers or text, declares far more
            data than it stores, or exceeds the limits on objects, depth and memory.
    """
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 4
    seen: set[Any] = set()
    total = 0
    waiting: list[tuple[h5py.Group, int]] = [(file, 0)]
    while waiting:
        group, depth = waiting.pop()
        for name in group:
            where = f"{path}: {str(group.name).rstrip('/')}/{name}"
            if not isinstance(group.get(name, getlink=True), h5py.HardLink):
                raise DeployError(f"{where} is a link to elsewhere, which is not followed; store the data itself")
            item = group[name]
            key = h5o.get_info(item.id).addr
            if isinstance(item, h5py.Group) and key in seen:
                raise DeployError(f"{where} contains itself or occurs twice; the file is damaged")
            seen.add(key)
            if len(seen) > OBJECTS or depth > DEPTH:
                raise DeployError(f"{where}: more than {OBJECTS} objects or {DEPTH} levels; split the graph")
            if isinstance(item, h5py.Group):
                waiting.append((item, depth + 1))
            elif isinstance(item, h5py.Dataset):
                total += _inspect_array(item, where)
                if total > memory:
                    raise DeployError(f"{where}: the arrays up to here take {total:.2e} bytes, a quarter of this "
                                      f"machine's memory is {memory:.2e}; use a larger machine")  # fmt: skip
            else:
                raise DeployError(f"{where} is neither group nor array; the file is damaged")
    return total


def _inspect_array(data: h5py.Dataset, where: str) -> int:
    """Bytes of an array once loaded.

    Raises:
        DeployError: it holds neither numbers nor text, has its data in other files, or declares more than it can store.
    """
    text = h5py.check_string_dtype(data.dtype) is not None
    if not text and data.dtype.kind not in "biuf":
        raise DeployError(f"{where} holds {data.dtype}, not numbers or text; the file is damaged")
    if data.external or data.is_virtual:
        raise DeployError(f"{where} has its data in other files, which are not opened; store the data itself")
    size = int(np.prod(data.shape, dtype=object)) * max(data.dtype.itemsize, 1) if data.shape else 0
    if size > SMALL and size > RATIO * data.id.get_storage_size():
        raise DeployError(
            f"{where} declares shape {data.shape} and stores {data.id.get_storage_size()} bytes; the file is damaged"
        )
    return size
