"""No damaged input file gives a traceback: the first 200 cases of `make fuzz`."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path

import numpy as np
import pytest

from deploy.errors import DeployError
from deploy.sources.archives import read_arrays
from tests import fuzz
from tests.fuzz_files import Reader


@pytest.mark.filterwarnings("ignore")  # of Pillow and torch, about what they then refuse or read
def test_damaged_files_are_read_or_refused() -> None:
    ends = fuzz.run(200)
    assert set(ends) == {"read", "refused"}


def test_the_fuzzer_sees_a_reader_that_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    def reader(file: Path) -> None:
        raise KeyError(file.name)

    monkeypatch.setattr(fuzz, "readers", lambda: (Reader("d.x", b"x", reader),))
    assert list(fuzz.run(2)) == ["case 0, d.x: KeyError: 'd.x'", "case 1, d.x: KeyError: 'd.x'"]


def header(shape: tuple[int, ...], dtype: str) -> bytes:
    file = io.BytesIO()
    np.lib.format.write_array_header_1_0(file, {"descr": dtype, "fortran_order": False, "shape": shape})
    return file.getvalue()


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("x.npy", header((10**9, 10**6), "<f8"), "more than the file holds"),
        ("x.npy", header((1,), "|O"), "`x` holds pickled Python objects"),
        ("x.txt", b"hello", "member `x.txt` is no array"),
        ("x.npy", b"hello", "not an .npz file"),
    ],
)
def test_members_that_are_no_arrays(tmp_path: Path, name: str, content: bytes, words: str) -> None:
    with zipfile.ZipFile(tmp_path / "d.npz", "w") as archive:
        archive.writestr(name, content)
    with pytest.raises(DeployError, match=words):
        read_arrays(tmp_path / "d.npz")
