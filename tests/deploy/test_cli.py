import subprocess
import sys
import types
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import deploy
from deploy.cli import main
from deploy.errors import DeployError
from deploy.options import ConvertOptions
from deploy.results import RunResult, Verification
from deploy.schema import Original, Spiking, write_report
from tests.deploy.reports import report

REPORT = report(ann=Original(accuracy=0.9), snn=Spiking(accuracy=0.89))


@pytest.fixture
def api(monkeypatch: pytest.MonkeyPatch) -> types.SimpleNamespace:
    """Stands in for deploy.api, so that these tests are about the command line alone."""
    fake = types.SimpleNamespace(asked=None)

    def convert_files(options: ConvertOptions, progress: object) -> types.SimpleNamespace:
        fake.asked = options
        options.check(["lava-sim", "closed-form"])
        return types.SimpleNamespace(report=REPORT)

    def verify(samples: int, **how: object) -> Verification:
        return fake.found

    fake.convert_files = convert_files
    fake.run_files = lambda *args: RunResult(np.eye(3, dtype=np.float32), np.arange(3), ("a", "b", "c"), 10.0, 0.5, 99)
    fake.found = Verification("lava-sim", 1, 5, 6, 7, 0)
    fake.load_conversion = lambda folder, trust: types.SimpleNamespace(verify=verify)
    for module, check in (("convert", "check_conversion"), ("run", "check_network"), ("run", "require_conversion")):
        monkeypatch.setattr(sys.modules[f"deploy.cli.{module}"], check, lambda *_: None)  # paths are not there
    monkeypatch.setattr(deploy, "api", fake, raising=False)
    monkeypatch.setitem(sys.modules, "deploy.api", fake)  # pyright: ignore[reportArgumentType]
    return fake


def test_convert_passes_every_option_on(api: types.SimpleNamespace, capsys: pytest.CaptureFixture[str]) -> None:
    line = (
        "convert --model timm:x --weights w.pt --method spiked-attention --timesteps 16 --base 1.4 --spikes 2"
        " --calib c.npz --eval e.npz --precision float --target closed-form --granularity operation"
        " --samples 3 --limit 9 --batch-size 8 --seed 4 --strict --force -o somewhere"
        " --budget cosine=0.99 --cheapest latency"
    )
    assert main(line.split()) == 0
    assert api.asked == ConvertOptions(
        model="timm:x",
        weights="w.pt",
        timesteps=16,
        base=1.4,
        spikes=2,
        calib=Path("c.npz"),
        evaluation=Path("e.npz"),
        precision="float",
        target="closed-form",
        granularity="operation",
        samples=3,
        limit=9,
        batch_size=8,
        seed=4,
        strict=True,
        force=True,
        out=Path("somewhere"),
        budget="cosine=0.99",
        cheapest="latency",
    )
    printed = capsys.readouterr().out
    assert "90.00 %" in printed and "89.00 %" in printed and "somewhere" in printed


def test_convert_defaults_are_the_options_defaults(api: types.SimpleNamespace) -> None:
    assert main(["convert"]) == 0
    assert api.asked == ConvertOptions()


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("convert --timesteps 1", "--timesteps 1"),
        ("convert --target abacus", "known are lava-sim, stepper, closed-form"),
        ("convert --timesteps many", "--timesteps"),
        ("convert --budget -1", "--budget -1: points of accuracy"),
        ("convert --cheapest latency", "give one, as --budget 0.5"),
        ("convert --nonsense", "--nonsense"),
        ("frobnicate", "frobnicate"),
        ("verify", "folder"),
        ("verify /does/not/matter --samples 0", "--samples 0: at least 1"),
        ("run x --granularity atom", "--granularity atom: unknown"),
        ("report /no/such/folder", "/no/such/folder: no such folder"),
    ],
)
def test_errors_are_one_line_and_exit_code_2(
    api: types.SimpleNamespace, line: str, words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(line.split()) == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err.startswith("error: ") and printed.err.count("\n") == 1
    assert words in printed.err


def test_interruption(api: types.SimpleNamespace) -> None:
    def interrupted(*args: object) -> None:
        raise KeyboardInterrupt

    api.convert_files = interrupted
    assert main(["convert"]) == 130


def test_verify_fails_with_the_first_mismatch(api: types.SimpleNamespace, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["verify", "out"]) == 0
    assert "identical: 5 spikes, 6 potentials and 7 saturations" in capsys.readouterr().out
    api.found = replace(api.found, stepped_by="stepper")
    assert main(["verify", "out"]) == 0
    assert "1 samples, target stepper" in capsys.readouterr().out
    api.found = replace(api.found, mismatches=2, first="layer fc1, neuron 3, step 4")
    assert main(["verify", "out"]) == 1
    assert "layer fc1, neuron 3, step 4" in capsys.readouterr().err


def test_run_shows_and_saves_outputs(
    api: types.SimpleNamespace, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    saved = tmp_path / "outputs"
    assert main(["run", "out", "--output", str(saved)]) == 0
    assert "99 time steps" in capsys.readouterr().out
    with np.load(saved) as arrays:
        assert arrays["output"].shape == (3, 3)
    assert main(["run", "out", "--output", str(tmp_path / "none" / "x")]) == 2


def test_report_reads_the_folder_alone(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "graph.nir").write_text("")
    write_report(tmp_path, REPORT)
    assert main(["report", str(tmp_path)]) == 0
    printed = capsys.readouterr().out
    assert "accuracy, spiking network" in printed
    assert "cosine" not in printed  # a value the report lacks has no row
    (tmp_path / "report.json").write_text("{")
    assert main(["report", str(tmp_path)]) == 2
    assert main(["report"]) == 2
    assert "give a folder that convert wrote, or --schema" in capsys.readouterr().err


def test_import_loads_neither_torch_nor_lava() -> None:
    heavy = {"torch", "lava", "timm", "numpy"}
    code = f"import sys, deploy, deploy.cli; sys.exit(bool({heavy} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--version"]) == 0
    assert capsys.readouterr().out == f"{deploy.__version__}\n"


def test_unknown_attribute() -> None:
    assert issubclass(deploy.DeployError, DeployError)
    with pytest.raises(AttributeError, match="no attribute 'nonsense'"):
        _ = deploy.nonsense  # pyright: ignore[reportAttributeAccessIssue]


def test_sigterm_leaves_nothing_half_written(tmp_path: Path) -> None:
    script = f"""
import sys, time, types
import deploy
from deploy.cli import main
from deploy.output import output_folder

def convert(options, progress):
    with output_folder(options.folder()):
        print("working", flush=True)
        time.sleep(600)

deploy.api = sys.modules["deploy.api"] = types.SimpleNamespace(convert_files=convert)
sys.exit(main(["convert", "-o", {str(tmp_path / "out")!r}]))
"""
    process = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE)
    with process:
        assert process.stdout is not None and process.stdout.readline() == b"working\n"
        process.terminate()
        assert process.wait(timeout=120) == 143
    assert list(tmp_path.iterdir()) == []
