"""Files are whole or as they were."""

from __future__ import annotations

from pathlib import Path

import pytest

from processes.files import atomic_write, write_text


def test_content_takes_the_place_of_what_was_there(tmp_path: Path):
    path = tmp_path / "a.txt"
    path.write_text("old")
    write_text(path, "new: é")
    assert path.read_text(encoding="utf-8") == "new: é"
    assert list(tmp_path.iterdir()) == [path]


def test_what_was_there_stays_if_writing_fails(tmp_path: Path):
    path = tmp_path / "a.txt"
    path.write_text("old")
    with pytest.raises(RuntimeError, match="half"), atomic_write(path) as file:
        file.write(b"half of it")
        raise RuntimeError("half way")
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_nothing_is_seen_before_the_end(tmp_path: Path):
    path = tmp_path / "a.txt"
    with atomic_write(path) as file:
        file.write(b"all of it")
        file.flush()
        assert not path.exists()
    assert path.read_bytes() == b"all of it"
