"""The Python of the README, executed in an empty folder."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from deploy.schema import read_report

README = Path(__file__).parents[2] / "README.md"
BLOCK = re.compile(r"^```python\n(.*?)^```$", re.DOTALL | re.MULTILINE)


def test_the_python_in_the_readme_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (block,) = BLOCK.findall(README.read_text(encoding="utf-8"))
    assert len([line for line in block.splitlines() if line and not line.startswith(("import", "from"))]) <= 10
    monkeypatch.chdir(tmp_path)
    exec(compile(block, str(README), "exec"), {"__name__": "readme"})
    report = read_report(tmp_path / "out" / "vit")
    assert (report.samples, report.calibration_samples, report.timesteps) == (8, 32, 16)
    printed = capsys.readouterr().out
    assert "mismatches=0" in printed and str(report.latency_steps) in printed
