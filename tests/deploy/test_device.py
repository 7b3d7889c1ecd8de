"""``--device`` and ``device=``: refusals before anything is loaded, and what runs on a device that stands in for a GPU."""

from __future__ import annotations

import subprocess
import sys
from types import SimpleNamespace

import numpy as np
import pytest
import torch

import deploy
from deploy import api
from deploy.evaluation import work
from deploy.options import EvaluateOptions, convert
from deploy.options.devices import check_closed_form, check_device, cuda_devices, usual_workers
from processes.backends import backend_named, devices, using
from processes.errors import DeployError
from tests.evaluator.test_random_networks import draw
from tests.stand_in import NAME, stand_in

ABSENT = """
import sys
from deploy.cli import main
code = main(sys.argv[1:])
assert "torch" not in sys.modules, "PyTorch was loaded"
sys.exit(code)
"""


@pytest.fixture
def elsewhere(monkeypatch: pytest.MonkeyPatch) -> str:
    """The name of a device that options take for a known one, and find."""
    device = stand_in()
    monkeypatch.setattr(convert, "check_device", lambda name: None)
    for module in (devices, api):
        monkeypatch.setattr(module, "device_named", lambda name: device if name == NAME else devices.CPU)
    return NAME


@pytest.mark.parametrize(
    ("name", "message"),
    [("mps", "64-bit"), ("tpu", "unknown"), ("cuda:x", "unknown"), ("cpu:1", "unknown"), ("cuda:99", "not here")],
)
def test_a_device_that_cannot_is_refused(name: str, message: str):
    with pytest.raises(DeployError, match=message):
        check_device(name)


@pytest.mark.parametrize("command", ["convert", "run out", "evaluate out", "generate out --prompt x"])
def test_commands_refuse_it_in_one_line_before_pytorch_is_loaded(command: str):
    words = [sys.executable, "-c", ABSENT, *command.split(), "--device", "cuda:99"]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert done.returncode == 2, done.stderr
    assert done.stderr.startswith("error: --device cuda:99: not here") and done.stderr.count("\n") == 1


def test_a_target_that_steps_runs_on_no_device():
    check_closed_form("cuda", "closed-form")
    check_closed_form("cpu", "stepper")
    with pytest.raises(DeployError, match="only the closed form"):
        check_closed_form("cuda", "stepper")
    options = EvaluateOptions(folder="out", device="cuda", target="stepper", cluster="tcp://host:1")  # type: ignore[arg-type]
    with pytest.raises(DeployError, match="only the closed form"):
        options.check(["stepper"])  # type: ignore[arg-type]


def test_a_device_of_a_cluster_is_looked_for_by_its_workers():
    EvaluateOptions(folder="out", device="cuda:99", cluster="tcp://host:1").check(["closed-form"])  # type: ignore[arg-type]
    with pytest.raises(DeployError, match="not here"):
        EvaluateOptions(folder="out", device="cuda:99").check(["closed-form"])  # type: ignore[arg-type]


def test_workers_do_not_share_a_gpu(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("os.cpu_count", lambda: 8)
    assert usual_workers("cpu") == 8 and usual_workers("cuda:1") == 1
    assert usual_workers("auto") == (1 if cuda_devices() else 8)


@pytest.mark.stand_in
def test_a_conversion_says_where_it_ran_and_answers_the_same(elsewhere: str):
    model, samples = draw(2)
    there = deploy.convert(model, samples, timesteps=8, evaluation=samples[:4], device=elsewhere)
    with using(backend_named("torch")):
        here = deploy.convert(model, samples, timesteps=8, evaluation=samples[:4])
        wanted, report = here.run(samples), here.report
    assert there.device == stand_in() and there.report.device == str(stand_in()) and report.device == "cpu"
    assert f"<b>{stand_in()}</b>" in there.page
    assert np.array_equal(there.run(samples), wanted)
    assert there.report.spikes == report.spikes and there.report.events == report.events
    assert there.report.ladder == report.ladder
    evaluated = there.evaluate(samples)
    assert evaluated.device == str(stand_in()) and evaluated.spikes == here.evaluate(samples).spikes


@pytest.mark.stand_in
def test_a_batch_of_an_evaluation_runs_there(elsewhere: str, monkeypatch: pytest.MonkeyPatch, tmp_path):
    model, samples = draw(2)
    made = deploy.convert(model, samples, timesteps=8, evaluation=samples[:4])
    worker = SimpleNamespace(model=made.origin.model, network=made.network, input_of=lambda arguments: arguments[0])
    monkeypatch.setattr(work, "_worker", lambda folder, trust: worker)
    seen: list[torch.device] = []
    evaluate = work.measure.evaluate
    monkeypatch.setattr(
        work.measure, "evaluate", lambda runner, *rest: seen.append(runner.device) or evaluate(runner, *rest)
    )
    for device in (elsewhere, "cpu"):
        work.run_batch(work.Job(tmp_path, "closed-form", "block", True, device=device), [samples])
    assert seen == [stand_in(), devices.CPU]
