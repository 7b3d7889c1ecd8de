"""Operations and their closed forms work where Lava is not installed."""

import subprocess
import sys

LISTING = """
import importlib, pathlib, sys, processes
root = pathlib.Path(processes.__file__).parent
for file in sorted(root.rglob("*.py")):
    parts = ("processes", *file.relative_to(root).with_suffix("").parts)
    name = ".".join(parts).removesuffix(".__init__")
    if "lava" not in parts:
        importlib.import_module(name)
print("lava" in sys.modules)
importlib.import_module("processes.lif.lava")
print("lava" in sys.modules)
"""


def test_only_lava_processes_import_lava():
    """In a fresh interpreter; importing one of Lava's Processes then shows that the check would see it."""
    done = subprocess.run([sys.executable, "-c", LISTING], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False", "True"]
