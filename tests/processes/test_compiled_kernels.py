"""The cache of compiled kernels: its key is the content of every kernel source, so an edit never runs old code."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

from processes.kernels import compiled

KERNEL = """
from processes.kernels.compiled import njit
from processes.thresholds import scaled_entry

@njit(cache=True)
def entry(a, b):
    return scaled_entry(a, b, 0)
"""

DEMO = """
import hashlib
from pathlib import Path

import torch
from torch import nn

from converters.ingredients import Ingredients
from converters.pipeline import convert_module
from deploy.demo import evaluation_data
from evaluator import network_file
from evaluator.closed_form import ClosedForm
from processes.kernels import compiled

seen = hashlib.sha256()


def look(name, op, result):
    seen.update(result.values.numpy().tobytes())


network = network_file.read(Path("tests/golden/demo/fixed.nir"))
ClosedForm(network).run(evaluation_data()[0][:20], look)


class Convolutions(nn.Module):
    def __init__(self):
        super().__init__()
        self.apart = nn.Conv2d(4, 4, 3, stride=2, padding=1, groups=4)
        self.mixed = nn.Conv2d(4, 4, 3, padding=1)

    def forward(self, x):
        return (self.apart(torch.relu(x)) + self.mixed(x)[:, :, ::2, ::2]).flatten(1)


torch.manual_seed(0)
x = torch.randn(8, 4, 6, 6).numpy()
plain = Ingredients(biases=False, rounding=False, importance=False, balance=False)
network = convert_module(Convolutions().eval(), [x], 8, 1.5, spikes=2, ingredients=plain).fixed
ClosedForm(network).run(x, look)
print(compiled.PARALLEL, seen.hexdigest())
"""
"""Every spike and potential of 20 images, and of a small network of convolutions."""


def test_every_file_that_compiles_something_is_part_of_the_key():
    listed = {path.relative_to(compiled.ROOT).as_posix() for path in compiled.sources()}
    for package in ("processes", "converters", "evaluator", "targets", "deploy"):
        for path in (compiled.ROOT / package).rglob("*.py"):
            if re.search(r"\bnjit\b|\bregister_jitable\b", path.read_text()):
                assert path.relative_to(compiled.ROOT).as_posix() in listed


def test_an_edit_to_a_function_that_a_kernel_inlines_is_seen(tmp_path: Path):
    shutil.copytree(compiled.ROOT / "processes", tmp_path / "processes", ignore=shutil.ignore_patterns("__pycache__"))
    (tmp_path / "processes" / "kernels" / "entry.py").write_text(KERNEL)
    inlined = tmp_path / "processes" / "thresholds.py"
    before, times = inlined.read_text(), inlined.stat()
    assert "return entry / factor" in before and "endless + shift_toward_zero(" in before
    assert _run_kernel(tmp_path) == "6.0"
    inlined.write_text(before.replace("endless + shift_toward_zero(", "endless + 1 + shift_toward_zero("))
    os.utime(inlined, ns=(times.st_atime_ns, times.st_mtime_ns))  # what the file system says of it has not changed
    assert _run_kernel(tmp_path) == "7.0"
    assert len(list((tmp_path / "cache" / "spikedeploy" / "kernels").iterdir())) == 2


def _run_kernel(root: Path) -> str:
    """What the kernel of the copy, compiled by way of the cache, makes of 2 * 3."""
    return _printed(
        "from processes.kernels.entry import entry; print(entry(2, 3))", root, NUMBA_CACHE_DIR=str(root / "cache")
    )


def test_threads_compute_what_one_does():
    """Loops that are shared out to two threads, and those of one, which are compiled as plain ones: the demo's every value."""
    one, two = (_printed(DEMO, compiled.ROOT, NUMBA_NUM_THREADS=number).split() for number in "12")
    assert (one[0], two[0]) == ("False", "True") and one[1] == two[1]


def _printed(program: str, root: Path, **settings: str) -> str:
    """What a Python program prints with the packages of ``root``, in a process of its own."""
    environment = os.environ | {"PYTHONPATH": str(root)} | settings
    command = [sys.executable, "-c", program]
    return subprocess.run(command, cwd=root, env=environment, capture_output=True, text=True, check=True).stdout.strip()
