"""Every tutorial's commands and Python, executed in order in an empty folder."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from deploy.cli import main

FOLDER = Path(__file__).parents[2] / "docs" / "tutorials"
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.DOTALL | re.MULTILINE)
TUTORIALS = sorted(path for path in FOLDER.glob("*.md") if path.name != "README.md")


def blocks(path: Path) -> list[tuple[str, str]]:
    """(language, text) in order."""
    return BLOCK.findall(path.read_text(encoding="utf-8"))


@pytest.mark.parametrize("path", TUTORIALS, ids=lambda path: path.stem)
def test_tutorial(path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    names: dict[str, object] = {"__name__": path.stem}
    for language, text in blocks(path):
        if language == "python":
            exec(compile(text, str(path), "exec"), names)
            continue
        assert language == "sh", f"{path.name}: a block of {language} is not executed"
        for line in filter(None, map(str.strip, text.splitlines())):
            program, *arguments = shlex.split(line)
            assert program == "deploy"
            assert main(arguments) == 0, line


def test_every_tutorial_is_listed() -> None:
    listed = (FOLDER / "README.md").read_text(encoding="utf-8")
    assert TUTORIALS and all(f"({path.name})" in listed for path in TUTORIALS)
    assert all(len(blocks(path)) >= 2 for path in TUTORIALS)
