"""How the fuzzer damages a file: its bytes at random, or, of JSON and HDF5, one value so that the rest still reads well."""

from __future__ import annotations

import io
import json
from typing import Any

import h5py
import numpy as np

HOSTILE = (
    b"\x00", b"\xff\xfe", b"\xef\xbb\xbf", b'"', b'""', b"\n", b"\t", b",", b"[" * 2000, b"{" * 2000, b"1e999", b"NaN",
    b"\xed\xa0\x80", b'"\\ud800"', b"9" * 5000, b"-1", b"null", b"\x80\x02cos\nsystem\n", b"[/bold]", b"&a [*a, *a]",
)  # fmt: skip
VALUES: tuple[Any, ...] = (
    None, True, -1, 0, 1, 1e308, 10**400, 2**63, float("nan"), float("inf"), "", "x" * 10_000, "[/bold]", "[bold", "{0.x}",
    "%s", "</script><script>alert(1)</script>", "\ud800", "\x00", "../../x", "a:b", ":", [], {}, [[]], [{}], {"": {}},
    ["0"], [1, -1],
)  # fmt: skip
"""What takes the place of one value of a JSON file."""
SHAPES: tuple[Any, ...] = (
    np.float32(np.nan), np.zeros(0), np.zeros((0, 3)), np.full(3, np.inf), np.ones((1, 1, 1, 1)), np.array(-1), np.array(2**31),
    np.int64(-(2**63)), np.full(2, -1), np.zeros(1), np.array("[/bold]", dtype="S"), np.array(["input", "x"], dtype="S"),
    np.array(["a", "b"], dtype="S").reshape(1, 2), np.full(4, 1e308), np.array(True), np.uint8(255), np.array(1e-300),
)  # fmt: skip
"""What takes the place of one array of an HDF5 file."""


def mutated(content: bytes, random: np.random.Generator, name: str = "") -> bytes:
    """One to four random changes of bytes; of every second JSON and HDF5 file one to three values instead."""
    if random.integers(2) and (known := STRUCTURED.get(name.rpartition(".")[2])):
        return known(content, random)
    data = bytearray(content)
    for _ in range(random.integers(1, 5)):
        place = int(random.integers(len(data) + 1))
        kind = random.integers(5)
        if kind == 0:
            data = data[:place]
        elif kind == 1 and data:
            data[place % len(data)] = int(random.integers(256))
        elif kind == 2:
            data[place:place] = HOSTILE[random.integers(len(HOSTILE))]
        elif kind == 3:
            data[place:place] = data[place : place + int(random.integers(1, 64))]
        else:
            data[place : place + int(random.integers(1, 16))] = random.bytes(int(random.integers(16)))
    return bytes(data)


def _json(content: bytes, random: np.random.Generator) -> bytes:
    """One to three values replaced, removed, or moved under another key."""
    root = [json.loads(content)]
    for _ in range(random.integers(1, 4)):
        places = _places(root)
        holder, key = places[random.integers(len(places))]
        kind = random.integers(4)
        if kind == 0 and holder is not root:
            del holder[key]
        elif kind == 1 and isinstance(holder, dict):
            holder[f"{key}!"] = holder.pop(key)
        else:
            holder[key] = VALUES[random.integers(len(VALUES))]
    return json.dumps(root[0]).encode()


def _places(node: Any) -> list[tuple[Any, Any]]:
    """Every value of a JSON tree, as the holder and the key or index in it."""
    keys = list(node) if isinstance(node, dict) else range(len(node)) if isinstance(node, list) else []
    return [(node, key) for key in keys] + [place for key in keys for place in _places(node[key])]


def _hdf5(content: bytes, random: np.random.Generator) -> bytes:
    """One to three arrays or groups replaced, removed or renamed."""
    file = io.BytesIO(content)
    with h5py.File(file, "r+") as opened:
        for _ in range(random.integers(1, 4)):
            names: list[str] = []
            opened.visit(names.append)
            if not names:
                break
            name = names[random.integers(len(names))]
            kind = random.integers(5)
            if kind == 0:
                del opened[name]
            elif kind == 1:
                opened.move(name, f"{name}!")
            else:
                del opened[name]
                opened[name] = SHAPES[random.integers(len(SHAPES))]
    return file.getvalue()


STRUCTURED = {"json": _json, "nir": _hdf5, "h5": _hdf5}
