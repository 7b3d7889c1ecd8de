"""Tests on a stand-in device run in a process of their own: it stays for the whole process, and PyTorch prefers it."""

from __future__ import annotations

import os
import subprocess
import sys

from tests.stand_in import ALONE


def test_on_a_device_that_is_not_the_cpu() -> None:
    files = ["tests/converters/test_device.py", "tests/deploy/test_device.py"]
    command = [sys.executable, "-m", "pytest", "-q", "-n", "0", "-p", "no:cacheprovider", "-m", "stand_in", *files]
    done = subprocess.run(command, env={**os.environ, ALONE: "1"}, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-4000:]
    assert "7 passed" in done.stdout and "skipped" not in done.stdout
