"""--budget: what it means, what is chosen, on which samples; two small searches from end to end."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import deploy
from deploy.cli import main
from deploy.console import budget_note
from deploy.errors import DeployError
from deploy.measure import agreement, expected_losses
from deploy.options import Budget, ConvertOptions
from deploy.options.budget import read_budget
from deploy.schema import BudgetSearch, Failed, Joules, Measured
from deploy.sources import shared_samples
from deploy.sweep.budget import CONVENTION, Axes, choose, climb, open_axes
from deploy.sweep.point import Point, load_material
from tests.deploy.reports import point

MODEL = """
import torch
def build():
    torch.manual_seed(0)
    return torch.nn.Sequential(torch.nn.Linear(6, 8), torch.nn.GELU(), torch.nn.Linear(8, 3)).eval()
"""


@pytest.fixture
def files(tmp_path: Path) -> list[str]:
    """Options of the command line that name a small model and its data."""
    (tmp_path / "net.py").write_text(MODEL, encoding="utf-8")
    rng = np.random.default_rng(0)
    for name, samples in (("calib", 40), ("eval", 20), ("unlabelled", 20)):
        labels = {} if name == "unlabelled" else {"y": rng.integers(0, 3, samples)}
        np.savez(tmp_path / f"{name}.npz", x=rng.normal(size=(samples, 6)).astype(np.float32), **labels)
    line = "--model {0}/net.py:build --weights random --calib {0}/calib.npz --target closed-form"
    return [*line.format(tmp_path).split(), "-o", f"{tmp_path}/out"]


def result(steps: int, spikes: int | str, loss: float, energy: float, **more: Any) -> Measured:
    """A point as a worker measures it; ``loss`` in percentage points."""
    joules = {CONVENTION: Joules(title="all", snn=energy, fp32=1.0, int8=1.0)}
    known = {"spikes": spikes, "expected_loss": loss / 100, "expected_loss_error": 0.0, "energy": joules}
    return point(steps, **known | more)


def failed(why: str) -> Failed:
    """A point that could not be converted."""
    return Failed(timesteps=8, base="auto", method="spiked-attention", precision="fixed", spikes=1, failed=why)


def test_what_a_budget_means() -> None:
    assert read_budget(0.5) == read_budget("0.5") == Budget(0.5, cosine=False)
    assert read_budget("cosine=0.997") == Budget(0.997, cosine=True)
    assert read_budget("cosine=0.75").largest_loss == 0.25 and str(read_budget("cosine=0.75")) == "cosine=0.75"
    ConvertOptions(budget=0, cheapest="latency").check(["lava-sim"])


@pytest.mark.parametrize(
    "given", ["nan", "-1", "100", "cosine=nan", "cosine=1.01", "cosine=0", "cosine=", "much", "loss=1"]
)
def test_nonsense_is_refused(given: str) -> None:
    with pytest.raises(DeployError, match=f"^--budget {given}: .*give ") as caught:
        ConvertOptions(budget=given).check(["lava-sim"])
    assert "\n" not in str(caught.value)


def test_cheapest_belongs_to_a_budget() -> None:
    with pytest.raises(DeployError, match="--cheapest latency: chooses within a --budget"):
        ConvertOptions(cheapest="latency").check(["lava-sim"])
    with pytest.raises(DeployError, match="--cheapest money: unknown; known are energy, latency"):
        ConvertOptions(budget=1, cheapest="money").check(["lava-sim"])  # pyright: ignore[reportArgumentType]


def test_the_cheapest_within_the_limit_is_chosen() -> None:
    points = [
        result(8, 1, 3, 10), result(8, 2, 0.5, 40), result(16, 1, 0.4, 30), result(24, 1, 0.1, 35), failed("no"),
    ]  # fmt: skip
    assert choose(points, read_budget(0.5), "energy") == 2
    assert choose(points, read_budget(0.5), "latency") == 1
    assert choose(points, read_budget(5), "energy") == 0
    for budget in (0.1, 0.3, 0.6):  # at the limit is within it, whatever floating point makes of it
        assert choose([result(8, 1, budget, 1)], read_budget(budget), "energy") == 0
    unsure = result(8, 1, 0.4, 1, expected_loss_error=0.002)
    assert choose([unsure, result(8, 2, 0.4, 2, expected_loss_error=0.001)], read_budget(0.5), "energy") == 1


def test_equal_costs_are_settled_by_the_other_cost_and_then_by_loss() -> None:
    points = [result(16, 1, 0, 10), result(8, 2, 0.5, 10), result(8, 1, 0.3, 10), result(8, 3, 0.1, 12)]
    assert choose(points, read_budget(1), "energy") == 2
    assert choose(points, read_budget(1), "latency") == 2
    assert choose(points[:2], read_budget(1), "energy") == 1


def test_nothing_within_the_limit_names_the_nearest_and_the_remedy() -> None:
    points = [result(8, 1, 3, 10), result(40, 2, 0.912, 40), failed("no")]
    words = (
        r"nearest is --timesteps 40 --spikes 2 with 0\.91 points .*, on 100 .*--budget 0\.92, or a --timesteps above 40"
    )
    with pytest.raises(DeployError, match=words) as caught:
        choose(points, read_budget(0.5), "energy")
    assert "\n" not in str(caught.value)
    cosine = result(8, 1, 0, 1, output_cosine=0.98765, method="sit", expected_loss=None)
    with pytest.raises(DeployError, match=r"a cosine of 0\.98.*give --budget cosine=0\.9876$"):
        choose([cosine], read_budget("cosine=0.99"), "energy")
    with pytest.raises(DeployError, match=r"^why$"):
        choose([failed("why"), failed("and")], read_budget(1), "energy")


@pytest.mark.parametrize("cheapest", ["energy", "latency"])
def test_what_is_left_out_is_never_cheaper(cheapest: Any) -> None:
    """Where cost grows with T and with spikes, the search finds what trying everything finds, in fewer conversions."""
    rng = np.random.default_rng(0)
    axes = Axes((8, 12, 16, 24), (1, "auto", 2))
    tried = []
    for _ in range(50):
        energies = np.cumsum(np.cumsum(rng.random((4, 3)) + 0.01, axis=0), axis=1)
        losses = rng.random((4, 3)) * np.linspace(3, 1, 4)[:, None]
        every = {
            (steps, spikes): result(steps, spikes, losses[i, j], energies[i, j])
            for i, steps in enumerate(axes.timesteps)
            for j, spikes in enumerate(axes.spikes)
        }
        options = ConvertOptions(budget=1, cheapest=cheapest)
        found = climb(options, axes, lambda points, every=every: [every[p.timesteps, p.spikes] for p in points])
        tried.append(len(found))
        best, all_points = choose(found, read_budget(1), cheapest), list(every.values())
        assert found[best] is all_points[choose(all_points, read_budget(1), cheapest)]
    assert max(tried) > min(tried) and min(tried) == 3


def test_what_is_given_is_not_searched() -> None:
    assert open_axes(ConvertOptions(timesteps=20)) == Axes((20,), (1, "auto", 2))
    assert open_axes(ConvertOptions(spikes=3)).spikes == (3,)
    assert open_axes(ConvertOptions(method="sit")).spikes == (6,)
    seen: list[Point] = []

    def run(points: Any) -> list[Measured]:
        seen.extend(points)
        return [result(p.timesteps, p.spikes, 9, 1) for p in points]

    options = ConvertOptions(budget=1, base=1.4, spikes=2, precision="float")
    climb(options, open_axes(options), run)
    assert {(p.base, p.spikes, p.precision) for p in seen} == {(1.4, 2, "float")} and len(seen) == 6


@pytest.mark.parametrize("evaluation", ["eval.npz", None])
def test_searches_judge_on_calibration_samples_that_set_no_scales(
    files: list[str], tmp_path: Path, evaluation: str | None
) -> None:
    options = ConvertOptions(model=files[1], weights="random", calib=tmp_path / "calib.npz")
    options = replace(options, evaluation=None if evaluation is None else tmp_path / evaluation)
    plain, searched = load_material(options, None), load_material(replace(options, budget=1), None)
    assert shared_samples(searched.calibration, searched.judged) == 0
    assert shared_samples(plain.judged, searched.judged) == shared_samples(plain.judged, searched.calibration) == 0
    assert shared_samples(plain.calibration, searched.judged) == len(searched.judged) == len(plain.calibration) // 2
    assert len(searched.calibration) + len(searched.judged) == len(plain.calibration)
    assert plain.judged.labels is not None and searched.judged.labels is None


def test_expected_losses() -> None:
    """Of two samples whose prediction changes, each loses the difference of the reference's probabilities."""
    chances = np.array([[0.7, 0.2, 0.1], [0.5, 0.4, 0.1], [0.1, 0.1, 0.8]])
    outputs = np.array([[9, 1, 1], [1, 2, 0], [5, 0, 3]], np.float32)
    losses = expected_losses(outputs, np.log(chances).astype(np.float32) + 7)
    assert losses == pytest.approx([0, 0.1, 0.7], abs=1e-6)
    assert losses.mean() <= 1 - agreement(outputs, chances)


def test_what_it_needs_to_know_of_accuracy(
    files: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["convert", *files, "--eval", f"{tmp_path}/unlabelled.npz", "--budget", "1"]) == 2
    error = capsys.readouterr().err
    assert "not known to give class scores" in error and "--budget cosine=0.997" in error
    assert not (tmp_path / "out").exists()


def test_a_search_from_end_to_end(files: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    line = ["convert", *files, "--eval", f"{tmp_path}/eval.npz", "--budget", "99", "--timesteps", "8", "--explain"]
    assert main(line) == 0
    printed = capsys.readouterr().out
    assert "Chosen (▶): --timesteps 8 --spikes 1," in printed and "codes, and what choosing them gained" in printed
    report = json.loads((tmp_path / "out" / "report.json").read_text(encoding="utf-8"))
    found = report["budget"]
    assert [p["spikes"] for p in found["points"]] == [1, "auto", 2] and found["chosen"] == 0
    assert found["measure"] == "expected_loss" and found["largest_loss"] == 99 and found["convention"] == CONVENTION
    assert (found["calibrated_on"], found["samples"], found["shared_samples"]) == (20, 20, 0)
    assert report["calibration_samples"] == 40 and report["samples"] == 20  # the conversion itself holds nothing back
    assert (report["timesteps"], report["options"]["spikes"], report["options"]["budget"]) == (8, 1, "99")
    assert {code["spikes"] for code in report["codes"][1:]} == {1}
    assert 0 in found["fronts"][CONVENTION]
    page = (tmp_path / "out" / "report.html").read_text(encoding="utf-8")
    assert "What was searched for" in page and "Pareto front" in page and page.count("▶ ") >= 1
    assert deploy.load(tmp_path / "out").network.header.timesteps == 8


def test_nothing_is_left_if_nothing_is_found(
    files: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    line = ["convert", *files, "--budget", "cosine=1", "--timesteps", "8", "--spikes", "1", "--precision", "float"]
    before = sorted(tmp_path.iterdir())
    assert main(line) == 2
    error = capsys.readouterr().err.splitlines()[-1]
    assert "nearest is --timesteps 8 --spikes 1 with a cosine of 0.9" in error
    assert sorted(tmp_path.iterdir()) == before


def test_the_note_says_how_sure_it_is() -> None:
    found = BudgetSearch(
        points=(result(8, 2, 0.25, 1, agreement=0.98, expected_loss_error=0.002),), chosen=0, samples=100, loss=0.45,
        measure="expected_loss", cheapest="energy", limit="0.5", largest_loss=0.5, convention=CONVENTION,
        calibrated_on=100, shared_samples=0,
    )  # fmt: skip
    note = budget_note(found)
    assert "2 predictions change, which costs 0.25 ± 0.20 points of accuracy" in note
    assert "One sample can cost 1 points, more than the limit" in note
    assert "One sample" not in budget_note(replace(found, largest_loss=1.0))
