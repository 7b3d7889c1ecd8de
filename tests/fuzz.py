"""Damaged and foreign input files by the thousand: each is read or refused in one line. `make fuzz`.

Every case is a small valid file of a kind that deploy reads, mutated by a generator seeded with the case's number: bytes
flipped, cut, doubled, inserted, or its text fields replaced by hostile ones.
"""

from __future__ import annotations

import io
import json
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from safetensors.torch import save as safetensors_bytes
from torch import nn

from deploy.errors import DeployError
from deploy.sources import InputSpec, LoadedModel, load_data
from deploy.sources.classes import read_labels
from deploy.sources.preprocessing import timm_input
from deploy.sources.signals import load_signals
from deploy.sources.tables import read_rows
from deploy.sources.weights import read_weights

SECONDS = 10
HOSTILE = (
    b"\x00", b"\xff\xfe", b"\xef\xbb\xbf", b'"', b'""', b"\n", b"\t", b",", b"[" * 2000, b"{" * 2000, b"1e999", b"NaN",
    b"\xed\xa0\x80", b'"\\ud800"', b"9" * 5000, b"-1", b"null", b"\x80\x02cos\nsystem\n",
)  # fmt: skip

SIZE = (3, 4, 4)
MODEL = LoadedModel(
    "net", "net", nn.Sequential(nn.Flatten(), nn.Linear(48, 2)).eval(), {"x": InputSpec("float32", SIZE)}, classes=2,
    image=timm_input(SIZE, interpolation="bilinear", crop_pct=1.0),
)  # fmt: skip


def _npz(**arrays: np.ndarray) -> bytes:
    file = io.BytesIO()
    np.savez(file, **arrays)  # type: ignore[arg-type]
    return file.getvalue()


def _image(kind: str, mode: str) -> bytes:
    file = io.BytesIO()
    Image.fromarray(np.arange(60, dtype=np.uint8).reshape(10, 6)).convert(mode).save(file, kind)
    return file.getvalue()


def _torch(content: object) -> bytes:
    file = io.BytesIO()
    torch.save(content, file)
    return file.getvalue()


def _data(file: Path) -> None:
    load_data(file, MODEL, "evaluation")


def _folder(file: Path) -> None:
    load_data(file.parents[1], MODEL, "evaluation")


def _signals(file: Path) -> None:
    load_signals(file, {"x": (3,)}, None, None, 1e-3)


TENSORS = {"w": torch.ones(2, 2), "b": torch.ones(2)}
X = np.full((2, *SIZE), 0.5, np.float32)
OBJECTS = np.array([{}], dtype=object)
ROWS = 'text,label\n"a film, good",1\nbad,0\n'
READERS: tuple[tuple[str, bytes, Callable[[Path], object]], ...] = (
    ("d.npz", _npz(x=X, y=np.array([0, 1])), _data),
    ("d.npz", _npz(x=X, y=np.array(["0", "1"])), _data),
    ("d.npz", _npz(x=OBJECTS), _data),
    ("d.npy", _npz(x=X)[:200], _data),
    ("s.npz", _npz(x=np.ones((2, 5, 3)), y=np.array([0, 1])), _signals),
    ("s.nir", _npz(x=np.ones((2, 5, 3))), _signals),
    ("w.safetensors", safetensors_bytes(TENSORS), read_weights),
    ("w.pt", _torch({"state_dict": TENSORS, "epoch": 3}), read_weights),
    ("w.pth", _torch(nn.Linear(2, 2)), read_weights),
    ("w.ckpt", _torch({"model": TENSORS, "ema": {"w": torch.zeros(2, 2)}}), read_weights),
    ("l.json", json.dumps({"a": 0, "b": "x"}).encode(), read_labels),
    ("t.csv", ROWS.encode(), read_rows),
    ("t.csv", ROWS.encode("utf-16"), read_rows),
    ("t.tsv", ROWS.replace(",", "\t").encode("utf-8-sig"), read_rows),
    ("t.jsonl", b'{"text": "a", "label": 1}\n{"text": "b", "label": 0.5}\n', read_rows),
    *((f"0/a.{kind}", _image(kind, mode), _folder) for kind, mode in
      (("png", "L"), ("png", "P"), ("jpeg", "CMYK"), ("gif", "P"), ("tiff", "RGB"), ("bmp", "1"), ("webp", "RGB"))),
)  # fmt: skip


def mutated(content: bytes, random: np.random.Generator) -> bytes:
    """One to four random changes."""
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


def run_case(number: int, folder: Path) -> str:
    """How a case ends: "read" or "refused"; anything else is raised.

    Raises:
        AssertionError: it took longer than 10 s, or its refusal has several lines.
    """
    random = np.random.default_rng(number)
    name, content, read = READERS[number % len(READERS)]
    file = folder / str(number) / name
    file.parent.mkdir(parents=True)
    file.write_bytes(mutated(content, random))
    begin = time.monotonic()
    end = "read"
    try:
        read(file)
    except DeployError as error:
        assert "\n" not in str(error), f"case {number}: {error!r}"
        end = "refused"
    assert time.monotonic() - begin < SECONDS, f"case {number} hangs"
    return end


def run(cases: int) -> Counter[str]:
    """Cases 0 to ``cases`` - 1: how many were read, refused, or raised what (with the first case's number)."""
    ends: Counter[str] = Counter()
    with tempfile.TemporaryDirectory() as folder:
        for number in range(cases):
            try:
                ends[run_case(number, Path(folder))] += 1
            except Exception as error:
                name = READERS[number % len(READERS)][0]
                ends[f"case {number}, {name}: {type(error).__name__}: {str(error)[:100]}"] += 1
    return ends


if __name__ == "__main__":
    import resource
    import warnings

    warnings.simplefilter("ignore")
    found = run(int(sys.argv[1]))
    print(*(f"{count:6} {end}" for end, count in found.most_common()), sep="\n")
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    print(f"peak memory {memory:.2f} GB")
    sys.exit(set(found) > {"read", "refused"} or memory > 2)
