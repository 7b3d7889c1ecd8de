"""Freed memory is kept from one batch to the next, unless the environment says otherwise, and can be handed back."""

from __future__ import annotations

import os
import platform
import subprocess
import sys

import pytest

ROUNDS = """
import os, resource
import numpy as np
from processes.memory import give_back, keep_freed

def pages(rounds: int) -> int:
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(rounds):
        arrays = [np.full(2**20, 1.0) for _ in range(6)]  # 8 MiB each
        del arrays
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before

if os.environ.get("KEEP"):
    keep_freed()
pages(2)
print(pages(10))
give_back()
print(pages(1))
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="not the GNU C library")
@pytest.mark.parametrize(
    "own, kept", [({"KEEP": "1"}, True), ({}, False), ({"KEEP": "1", "MALLOC_TRIM_THRESHOLD_": "131072"}, False)]
)
def test_pages_of_freed_arrays_are_used_again(own: dict[str, str], kept: bool) -> None:
    """48 MiB are 12,288 pages of 4 KiB, or 24 of 2 MiB; unless they are kept, each of ten rounds asks for them anew."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("MALLOC_")}
    said = subprocess.run(
        [sys.executable, "-c", ROUNDS], env=environment | own, capture_output=True, text=True, check=True
    ).stdout.split()
    again, after = int(said[0]), int(said[1])
    assert (again < 50) == kept
    assert after >= 20, "give_back left the pages where they were"
