"""Models of several inputs, from a data file that names each of them to a conversion, its evaluation and a run."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import transformers

from deploy import evaluation
from deploy.cli import main
from deploy.errors import DeployError
from deploy.evaluation.work import Batch, run_batch
from deploy.model_check import check_model
from deploy.output import GRAPH
from deploy.sources import load_data, load_model
from deploy.steps import host_input
from evaluator.closed_form import ClosedForm
from evaluator.network_file import read
from tests.tolerances import ROUNDING

pytestmark = pytest.mark.filterwarnings("ignore")  # of transformers, while it builds and exports models

TWO = """
import torch

class Two(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.a, self.b, self.c = torch.nn.Linear(4, 8), torch.nn.Linear(6, 8), torch.nn.Linear(8, 3)

    def forward(self, left, right):
        return self.c(torch.relu(self.a(left) + self.b(right)))
"""
SAMPLES = 5
SIZES = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 32}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A Python file of two inputs, small T5 and CLIP, and data for each."""
    folder = tmp_path_factory.mktemp("several")
    torch.manual_seed(0)
    (folder / "two.py").write_text(TWO)
    t5 = transformers.T5Config(d_model=16, d_kv=8, d_ff=32, num_layers=1, num_heads=2, vocab_size=50)
    transformers.T5ForConditionalGeneration(t5).save_pretrained(folder / "t5")
    words = SIZES | {"vocab_size": 50, "max_position_embeddings": 20, "eos_token_id": 49}
    clip = transformers.CLIPConfig(
        text_config=words, vision_config=SIZES | {"image_size": 8, "patch_size": 8}, projection_dim=8
    )
    transformers.CLIPModel(clip).save_pretrained(folder / "clip")
    random = np.random.default_rng(0)
    mask = (np.arange(4) < random.integers(2, 5, (SAMPLES, 1))).astype(np.int64)
    ids = random.integers(5, 49, mask.shape) * mask
    np.savez(
        folder / "two.npz", right=random.normal(size=(SAMPLES, 6)), left=random.normal(size=(SAMPLES, 4)),
        y=random.integers(0, 3, SAMPLES),
    )  # fmt: skip
    np.savez(
        folder / "t5.npz", input_ids=ids, attention_mask=mask, decoder_input_ids=random.integers(5, 50, (SAMPLES, 2))
    )
    ids[np.arange(SAMPLES), mask.sum(1) - 1] = 49
    images = random.normal(size=(SAMPLES, 3, 8, 8)).astype(np.float32)
    np.savez(folder / "clip.npz", input_ids=ids, attention_mask=mask, pixel_values=images)
    return folder


def spec(folder: Path, name: str) -> str:
    return f"{folder / 'two.py'}:Two" if name == "two" else f"hf:{folder / name}"


@pytest.mark.parametrize("name", ["two", "t5"])
def test_a_data_file_that_names_each_input_converts_evaluates_and_runs(
    folder: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def inline(job: Any, numbers: Any, cut: Any, workers: int) -> Iterator[tuple[int, Batch]]:
        for number in numbers:
            yield number, run_batch(job, cut(number))

    monkeypatch.setattr(evaluation, "on_this_machine", inline)
    data, out = folder / f"{name}.npz", folder / f"out-{name}"
    convert = f"convert --model {spec(folder, name)} --calib {data} --target closed-form -o {out}"
    assert main([*convert.split(), "--timesteps", "12", "--base", "1.4"]) == 0
    assert main(["evaluate", str(out), "--data", str(data), "--trust"]) == 0
    found = json.loads((out / "evaluation.json").read_text())
    assert found["samples"] == SAMPLES
    saved = folder / f"{name}-outputs.npz"
    run = ["run", str(out), "--input", str(data), "--target", "stepper", "--samples", "1", "--trust"]
    assert main([*run, "--output", str(saved)]) == 0
    with np.load(saved) as stepped:
        outputs = next(iter(stepped.values()))
    model = load_model(spec(folder, name))
    network = read(out / GRAPH)
    samples = host_input(model, load_data(data, model, "evaluation", limit=2))
    closed = ClosedForm(network, torch.float64)
    expected = closed.real(closed.run(samples)).numpy().reshape(2, -1)
    assert np.allclose(outputs.ravel(), expected[0], rtol=ROUNDING, atol=ROUNDING)
    assert not np.allclose(outputs.ravel(), expected[1], rtol=ROUNDING, atol=ROUNDING)  # another sample is told apart


def test_an_input_that_is_missing_or_unknown_is_named(folder: Path, tmp_path: Path) -> None:
    model = load_model(spec(folder, "t5"))
    with np.load(folder / "t5.npz") as held:
        arrays = dict(held)
    np.savez(tmp_path / "less.npz", **{k: v for k, v in arrays.items() if k != "decoder_input_ids"})
    np.savez(tmp_path / "more.npz", **arrays, pixel_values=np.zeros((SAMPLES, 1)))
    assert len(load_data(folder / "t5.npz", model, "evaluation")) == SAMPLES
    with pytest.raises(DeployError, match="no array `decoder_input_ids`"):
        load_data(tmp_path / "less.npz", model, "evaluation")
    with pytest.raises(DeployError, match="array `pixel_values` is no argument"):
        load_data(tmp_path / "more.npz", model, "evaluation")


def test_pairs_are_scored_pair_by_pair(folder: Path) -> None:
    model = load_model(spec(folder, "clip"))
    data = load_data(folder / "clip.npz", model, "evaluation")
    with torch.no_grad():
        together = torch.cat([model.module(*batch) for batch in data.batches(SAMPLES)])
        alone = torch.cat([model.module(*batch) for batch in data.batches(1)])
    assert together.shape == (SAMPLES, 1) and torch.allclose(together, alone, atol=1e-5)
    assert not torch.allclose(together, alone.flip(0), atol=1e-5)


def test_check_says_what_each_input_is(folder: Path) -> None:
    found = check_model(spec(folder, "clip"))
    assert not found.refusals and "side by side" in found.host
    assert found.inputs["pixel_values"] == (3, 8, 8)
