"""The Triton kernels equal plain torch, in Triton's interpreter, which needs no GPU; on one, every closed form's test runs."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def test_kernels_in_the_interpreter_equal_plain_torch():
    pytest.importorskip("triton", reason="Triton is not installed here")
    command = [sys.executable, str(Path(__file__).with_name("interpreted.py"))]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
