"""Listing targets looks, and imports nothing of what it looks for."""

import subprocess
import sys

import pytest

from deploy.cli import main
from targets import probes, registry

SDKS = {"torch", "lava", "nir", "samna", "sanafe", "brian2", "nengo", "sinabs", "rockpool", "akida", "spinnaker2"}


def test_deploy_targets_imports_no_sdk() -> None:
    program = (
        "import sys; from deploy.cli import main; code = main(['targets']); "
        "print(sorted({name.split('.')[0] for name in sys.modules})); sys.exit(code)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    table, _, modules = done.stdout.rpartition("[")
    for name in registry():
        assert name in table
    assert not SDKS & set(modules.replace("'", "").rstrip("]\n").split(", "))


def test_lava_elsewhere_says_why_and_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "version_info", (3, 12, 0))
    state = probes.lava()
    assert not state.available and "this is 3.12" in state.reason and "Python 3.10" in state.remedy


def test_a_target_for_standard_graphs_is_refused_before_anything_is_converted(tmp_path, capsys) -> None:
    assert main(["convert", "--target", "speck", "-o", str(tmp_path / "out")]) == 2
    assert "--target speck runs standard integrate-and-fire networks" in capsys.readouterr().err


def test_every_target_names_a_function_that_exists() -> None:
    for target in registry().values():
        module, _, function = target.where.partition(":")
        source = __import__(module, fromlist=[function])
        assert callable(getattr(source, function))
