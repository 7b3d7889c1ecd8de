"""Conversions in memory: any module and arrays; run, verify, evaluate, save and load; and what is refused."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn
from transformers import BertConfig, BertModel

import deploy
from deploy.cli import main
from deploy.errors import DeployError
from deploy.schema import read_report
from deploy.sources.wrappers import TextModel
from evaluator import stepper
from evaluator.closed_form import ClosedForm
from evaluator.compare import compare
from targets import probes
from targets.base import Availability

SAMPLES = np.random.default_rng(0).normal(size=(40, 6)).astype(np.float32)
LABELS = np.random.default_rng(1).integers(0, 3, 40)


def perceptron() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(6, 8), nn.GELU(), nn.Linear(8, 3))


@pytest.fixture(scope="module")
def converted() -> deploy.Conversion:
    return deploy.convert(perceptron(), SAMPLES, timesteps=16, evaluation=SAMPLES[:20], labels=LABELS[:20])


@pytest.fixture
def without_lava(monkeypatch: pytest.MonkeyPatch) -> None:
    """Lava is not there."""
    from targets import base

    monkeypatch.setattr(base.Target, "availability", property(lambda self: lambda: Availability(False)), raising=False)


def test_a_module_in_training_is_copied_and_left_alone() -> None:
    module = perceptron().train()
    before = {name: tensor.clone() for name, tensor in module.state_dict().items()}
    found = deploy.convert(module, SAMPLES, timesteps=8, base=1.5, precision="float")
    assert module.training and all(p.requires_grad for p in module.parameters())
    with torch.no_grad():
        module[0].weight.zero_()  # pyright: ignore[reportIndexIssue, reportCallIssue, reportArgumentType]
    assert torch.equal(found.origin.model.module.state_dict()["0.weight"], before["0.weight"])
    assert found.report.precision == "float" and found.report.base == 1.5


def test_outputs_are_in_the_models_units(converted: deploy.Conversion) -> None:
    with torch.inference_mode():
        wanted = perceptron()(torch.from_numpy(SAMPLES)).numpy()
    found = converted.run(SAMPLES)
    assert found.shape == wanted.shape and found.dtype == np.float32
    assert 0 < np.linalg.norm(found - wanted) < 0.2 * np.linalg.norm(wanted)
    assert np.array_equal(found, converted.run(torch.from_numpy(SAMPLES)))
    assert np.array_equal(found, converted.run([SAMPLES])) and np.array_equal(found, converted.run({"input": SAMPLES}))


def test_the_report_is_that_of_the_evaluation_data(converted: deploy.Conversion) -> None:
    report = converted.report
    assert (report.model, report.samples, report.calibration_samples) == ("module:Sequential", 20, 40)
    assert report.shared_samples == 20  # as was asked for
    evaluated = converted.evaluate(SAMPLES[:20], LABELS[:20])
    assert evaluated.snn.accuracy == report.snn.accuracy and evaluated.agreement == report.agreement
    assert evaluated.ann == report.ann and evaluated.spikes.total_per_sample == report.spikes.total_per_sample
    assert evaluated.snn.relative_error == pytest.approx(report.snn.relative_error, rel=1e-5)
    assert "module:Sequential as a spiking network" in converted.page


def test_calibration_data_is_held_back_where_there_is_no_evaluation_data() -> None:
    report = deploy.convert(perceptron(), SAMPLES, timesteps=8).report
    assert (report.samples, report.calibration_samples, report.shared_samples) == (8, 32, 0)
    assert report.ann.accuracy is None and report.agreement is None and report.snn.output_cosine is not None


def test_verify_says_what_stepped(converted: deploy.Conversion, without_lava: None) -> None:
    found = converted.verify(3)
    assert (found.stepped_by, found.samples, found.mismatches) == ("stepper", 3, 0)
    assert found.compared_spikes == 3 * (2 * 6 + 8) and found.compared_potentials == 3 * (8 + 3 + 3)
    assert converted.verify(5, SAMPLES[20:22]).samples == 2


@pytest.mark.skipif(not probes.lava().available, reason="no Lava")
def test_lava_steps_where_it_is_available(converted: deploy.Conversion, monkeypatch: pytest.MonkeyPatch) -> None:
    found = converted.verify(1)
    assert (found.stepped_by, found.mismatches) == ("lava-sim", 0)
    monkeypatch.setattr(stepper, "run", None)  # not called
    assert converted.verify(1) == found


@pytest.mark.parametrize("precision", ["float", "fixed"])
def test_the_stepper_is_compared_with_the_closed_form(precision: Any) -> None:
    """A spike that is moved in what was stepped is found."""
    found = deploy.convert(perceptron(), SAMPLES, timesteps=8, precision=precision)
    run = stepper.run(found.network, 9 * SAMPLES[:4])
    exact = compare(found.network, 9 * SAMPLES[:4], run)
    assert exact.mismatches == 0 and exact.compared_spikes > 0
    name = next(name for name, node in found.network if node.op.fires)
    run.values[name].reshape(-1)[0] = 1 - np.clip(run.values[name].reshape(-1)[0], 0, 1)
    assert compare(found.network, 9 * SAMPLES[:4], run).mismatches > 0


def test_saved_and_loaded(converted: deploy.Conversion, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "out"
    converted.save(out)
    assert {path.name for path in out.iterdir()} == {
        "graph.nir", "report.json", "report.html", "figures.npz", "run.yaml",
    }  # fmt: skip
    with pytest.raises(DeployError, match="already holds a conversion; --force"):
        converted.save(out)
    converted.save(out, force=True)
    again = deploy.load(out)
    assert np.array_equal(again.run(SAMPLES), converted.run(SAMPLES))
    assert replace(again.report, schema_version=0) == converted.report and again.page == converted.page
    assert again.verify(2, SAMPLES).mismatches == 0
    again.save(tmp_path / "copy")
    assert read_report(tmp_path / "copy") == again.report
    for needs in (lambda: again.evaluate(SAMPLES), lambda: again.run([SAMPLES]), again.verify):
        with pytest.raises(DeployError, match=r"module:Sequential was .* of which a folder keeps no copy; give"):
            needs()
    full = deploy.load(out, perceptron())
    assert full.evaluate(SAMPLES[:20], LABELS[:20]).snn == converted.evaluate(SAMPLES[:20], LABELS[:20]).snn
    assert main(["report", str(out)]) == 0 and main(["place", str(out)]) == 0
    assert main(["evaluate", str(out)]) == 2
    assert "deploy.load(folder, module)" in capsys.readouterr().err


def test_a_conversion_from_files_loads_its_model_and_data_again(tmp_path: Path) -> None:
    (tmp_path / "net.py").write_text(
        "import torch\ndef build():\n    torch.manual_seed(0)\n"
        "    return torch.nn.Sequential(torch.nn.Linear(6, 8), torch.nn.GELU(), torch.nn.Linear(8, 3))\n"
    )
    np.savez(tmp_path / "calib.npz", x=SAMPLES)
    options = deploy.ConvertOptions(
        model=f"{tmp_path}/net.py:build", weights="random", calib=tmp_path / "calib.npz", timesteps=8, target="closed-form",
        out=tmp_path / "out",
    )  # fmt: skip
    found = deploy.convert_files(options)
    again = deploy.load(tmp_path / "out", trust=True)
    assert replace(again.report, schema_version=0) == found.report
    assert again.verify(2).mismatches == 0
    assert again.evaluate(SAMPLES).snn == found.evaluate(SAMPLES).snn
    held = json.loads((tmp_path / "out" / "report.json").read_text(encoding="utf-8"))
    assert held["schema_version"] == 1


def test_several_arguments(tmp_path: Path) -> None:
    torch.manual_seed(0)
    config = BertConfig(
        vocab_size=11, hidden_size=8, num_hidden_layers=1, num_attention_heads=2, intermediate_size=16,
        max_position_embeddings=8,
    )  # fmt: skip
    module, rng = TextModel(BertModel(config), "last_hidden_state"), np.random.default_rng(0)
    tokens, mask = rng.integers(0, 11, (10, 5)), np.ones((10, 5), np.int64)
    mask[::3, 3:] = 0
    arguments = tokens, torch.from_numpy(mask)
    found = deploy.convert(module, arguments, timesteps=16)
    with torch.inference_mode():
        wanted = module.eval()(torch.from_numpy(tokens), torch.from_numpy(mask)).numpy()
    assert np.linalg.norm(found.run(arguments) - wanted) < 0.3 * np.linalg.norm(wanted)
    assert np.array_equal(found.run({"attention_mask": mask, "input_ids": tokens}), found.run(arguments))
    found.save(tmp_path / "out")
    with pytest.raises(DeployError, match="of which a folder keeps no copy"):
        deploy.load(tmp_path / "out").run(arguments)
    assert np.array_equal(deploy.load(tmp_path / "out", module).run(arguments), found.run(arguments))


def test_the_original_is_what_lowering_starts_from(converted: deploy.Conversion) -> None:
    """The network's own closed form is what ``run`` gives, decoded once."""
    inputs = SAMPLES[:3]
    runner = ClosedForm(converted.network)
    assert np.array_equal(converted.run(inputs), runner.real(runner.run(inputs)).float().numpy()[:, 0])


class Record(nn.Module):
    def forward(self, x: torch.Tensor) -> dict[str, torch.Tensor]:
        return {"logits": x}


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: deploy.convert(perceptron(), SAMPLES, timesteps=1), "--timesteps 1"),
        (lambda: deploy.convert(perceptron(), SAMPLES, base=3.0), "--base 3"),
        (lambda: deploy.convert(perceptron(), SAMPLES, method="sit", timesteps=40), "take 7 to 16 steps"),
        (lambda: deploy.convert(perceptron(), SAMPLES[:1]), "one sample cannot both calibrate and be held back"),
        (lambda: deploy.convert(perceptron(), SAMPLES[:, :5]), "cannot take one sample"),
        (lambda: deploy.convert(perceptron(), {"x": SAMPLES}), "forward takes input; x is given"),
        (lambda: deploy.convert(perceptron(), (SAMPLES, SAMPLES)), "forward takes input; 2 arguments"),
        (lambda: deploy.convert(perceptron(), []), "0 arguments"),
        (lambda: deploy.convert(perceptron(), SAMPLES * np.nan), "hold NaN or infinity"),
        (lambda: deploy.convert(perceptron().double(), SAMPLES), "models are taken in float32"),
        (lambda: deploy.convert("net", SAMPLES), "a str is no model"),  # pyright: ignore[reportArgumentType]
        (lambda: deploy.convert(Record(), SAMPLES), "returns dict; wrap it so that it returns one tensor"),
        (lambda: deploy.convert(perceptron(), SAMPLES, evaluation=SAMPLES, labels=LABELS + 9), "out of range"),
        (lambda: deploy.load("no/such/folder"), "no such folder"),
    ],
)
def test_what_is_refused(call: Callable[[], Any], words: str) -> None:
    with pytest.raises(DeployError, match=words) as caught:
        call()
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("x", [SAMPLES[:, :5], SAMPLES[:0], SAMPLES * np.inf, "text", None, 3.0, [1, [2, 3]]])
def test_what_cannot_be_run(converted: deploy.Conversion, x: Any) -> None:
    with pytest.raises(DeployError) as caught:
        converted.run(x)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("damage", [b"", b"{}", b'{"model": 1}'])
def test_a_damaged_folder_is_one_error(converted: deploy.Conversion, damage: bytes, tmp_path: Path) -> None:
    converted.save(tmp_path / "out")
    (tmp_path / "out" / "report.json").write_bytes(damage)
    with pytest.raises(DeployError, match=r"report\.json"):
        deploy.load(tmp_path / "out")
