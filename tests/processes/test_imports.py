"""Operations and their closed forms work where Lava is not installed."""

import subprocess
import sys

LISTING = """
import importlib, pkgutil, sys, processes
for module in pkgutil.walk_packages(processes.__path__, "processes."):
    if "lava" not in module.name.split(".") {unless}:
        importlib.import_module(module.name)
print("lava" in sys.modules)
"""


def imports_lava(unless: str) -> bool:
    """Whether importing every module of ``processes`` but its Lava Processes imports Lava, in a fresh interpreter."""
    code = LISTING.format(unless=unless)
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip()
    return {"True": True, "False": False}[found]


def test_only_lava_processes_import_lava():
    assert not imports_lava("")


def test_the_check_sees_a_lava_process():
    assert imports_lava("or module.name == 'processes.lif.lava'")
