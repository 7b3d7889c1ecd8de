"""The reference site builds without a warning, offline, with every public module and equations that are drawn."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
pytest.importorskip("mkdocs", reason="pip install 'spikedeploy[docs]'")


def build(folder: Path, config: Path = ROOT / "mkdocs.yml") -> subprocess.CompletedProcess[str]:
    """Run mkdocs strictly."""
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "-f", str(config), "-d", str(folder)]
    environment = os.environ | {"NO_MKDOCS_2_WARNING": "1"}
    return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)


def test_site(tmp_path: Path) -> None:
    run = build(tmp_path)
    assert run.returncode == 0, run.stderr
    page = (tmp_path / "design.html").read_text(encoding="utf-8")
    assert "<math" in page and "arithmatex" not in page
    assert re.findall(r'<(?:script|link)[^>]*(?:src|href)="https?://', page) == []
    for module in ("deploy.api", "evaluator.closed_form", "processes.woss", "converters.code_search", "targets.base"):
        assert module in (tmp_path / "reference" / f"{module}.html").read_text(encoding="utf-8")


def test_a_broken_link_fails_the_build(tmp_path: Path) -> None:
    docs = tmp_path / "docs"
    docs.mkdir()
    (docs / "index.md").write_text("[nowhere](nowhere.md)", encoding="utf-8")
    config = (ROOT / "mkdocs.yml").read_text(encoding="utf-8")
    config = re.sub(r"^hooks:.*\n", "", config, flags=re.MULTILINE)
    (tmp_path / "mkdocs.yml").write_text(config, encoding="utf-8")
    run = build(tmp_path / "site", tmp_path / "mkdocs.yml")
    assert run.returncode != 0 and "nowhere.md" in run.stderr
