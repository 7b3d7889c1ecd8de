"""Operations and their closed forms work where Lava is not installed."""

import subprocess
import sys

LISTING = """
import importlib, pathlib, sys, processes
root = pathlib.Path(processes.__file__).parent
for file in sorted(root.rglob("*.py")):
    parts = ("processes", *file.relative_to(root).with_suffix("").parts)
    name = ".".join(parts).removesuffix(".__init__")
    if "lava" not in parts {unless}:
        importlib.import_module(name)
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
    assert imports_lava("or name == 'processes.lif.lava'")
