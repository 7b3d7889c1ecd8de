"""Sweeps: the grid, the front, resuming; one small sweep from end to end."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from deploy.cli import main
from deploy.errors import DeployError
from deploy.options import ConvertOptions
from deploy.report.charts import line_chart
from deploy.report.points import settings
from deploy.schema import Failed, Joules, Measured, Sweep, dumps, loads
from deploy.sweep import SweepOptions, sweep
from deploy.sweep.front import fronts, pareto
from deploy.sweep.workers import processes
from tests.deploy.reports import point

MODEL = """
import torch
def build():
    torch.manual_seed(0)
    return torch.nn.Sequential(torch.nn.Linear(6, 8), torch.nn.GELU(), torch.nn.Linear(8, 3)).eval()
"""


@pytest.fixture
def shared(tmp_path: Path) -> ConvertOptions:
    """A small model and data for it."""
    (tmp_path / "net.py").write_text(MODEL, encoding="utf-8")
    rng = np.random.default_rng(0)
    for name, samples in (("calib", 32), ("eval", 20)):
        x = rng.normal(size=(samples, 6)).astype(np.float32)
        np.savez(tmp_path / f"{name}.npz", x=x, y=rng.integers(0, 3, samples))
    return ConvertOptions(
        model=f"{tmp_path}/net.py:build",
        weights="random",
        calib=tmp_path / "calib.npz",
        evaluation=tmp_path / "eval.npz",
    )


def test_pareto_front() -> None:
    cost, worth = [1, 2, 2, 3, 4, 5], [0.1, 0.5, 0.6, 0.6, 0.2, 0.9]
    assert pareto(cost, worth) == [0, 2, 5]
    assert pareto([], []) == []
    for i in range(len(cost)):
        beaten = any(
            cost[j] <= cost[i] and worth[j] >= worth[i] and (cost[j], worth[j]) != (cost[i], worth[i])
            for j in range(len(cost))
        )
        assert beaten == (i not in pareto(cost, worth))


def test_fronts_leave_out_what_failed() -> None:
    points = [
        Failed(timesteps=8, base=1.4, method="sit", precision="fixed", spikes=1, failed="no"),
        point(9, agreement=0.5, energy={"a": Joules(title="a", snn=1.0, fp32=1.0, int8=1.0)}),
        point(5, agreement=0.4, energy={"a": Joules(title="a", snn=2.0, fp32=1.0, int8=1.0)}),
    ]
    assert fronts(points) == {"a": (1,), "latency": (2, 1)}
    assert fronts(points[:1]) == {}


def test_the_grid(shared: ConvertOptions, tmp_path: Path) -> None:
    options = SweepOptions(shared, tmp_path / "out", (8, 16, 8), (1.4, "auto"), precisions=("fixed", "float"))
    names = [point.name for point in options.points()]
    assert len(names) == len(set(names)) == 2 * 2 * 2
    assert names[0] == "T8-B1.4-spiked-attention-fixed-1spikes"
    options.check()
    with pytest.raises(DeployError, match="--base 3"):
        SweepOptions(shared, tmp_path / "out", base=(3.0,)).check()
    with pytest.raises(DeployError, match="--tokens 0"):
        SweepOptions(shared, tmp_path / "out", tokens=(0,)).check()


def test_a_sweep_from_end_to_end(shared: ConvertOptions, tmp_path: Path) -> None:
    """What it reports is what a conversion reports; more settings are added to what is there."""
    out = tmp_path / "sweep"
    first = sweep(SweepOptions(shared, out, (8,), (1.2,), workers=1))
    (found,) = first.points
    assert isinstance(found, Measured) and found.samples == 20 and found.chosen_base == 1.2
    assert found.spikes_per_neuron is not None and 0 < found.spikes_per_neuron <= 2
    kept = out / "points" / "T8-B1.2-spiked-attention-fixed-1spikes.json"
    kept.write_text(dumps(replace(found, latency_steps=12345)), encoding="utf-8")
    more = sweep(SweepOptions(shared, out, (8, 24), (1.2,), workers=1))
    again, longer = more.points
    assert isinstance(again, Measured) and isinstance(longer, Measured)
    assert (again.timesteps, longer.timesteps) == (8, 24)
    assert again.latency_steps == 12345  # not run again
    assert longer.relative_error is not None and found.relative_error is not None
    assert longer.relative_error < found.relative_error
    assert settings(more.points) == ["timesteps"]
    assert replace(more, options=shared) == replace(
        loads(Sweep, (out / "sweep.json").read_bytes(), "sweep.json"), options=shared
    )
    page = (out / "sweep.html").read_text(encoding="utf-8")
    assert "Energy against T" in page and "Pareto front" in page and "http" not in page.split("</style>")[1]
    with pytest.raises(DeployError, match="a sweep with other options; --force"):
        sweep(SweepOptions(ConvertOptions(limit=3), out))
    assert more.fronts["45nm-additions"]
    kept.write_text("{", encoding="utf-8")
    with pytest.raises(DeployError, match=r"spikes\.json: not readable as JSON"):
        sweep(SweepOptions(shared, out, (8,), (1.2,), workers=1))


def test_a_folder_of_something_else_is_left_alone(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "mine.txt").write_text("x", encoding="utf-8")
    assert main(["sweep", "-o", str(tmp_path), "--force"]) == 2
    assert "holds something else than a sweep" in capsys.readouterr().err
    assert main(["sweep", "-o", str(tmp_path / "new"), "--timesteps", "8,x"]) == 2
    assert "--timesteps 8,x: give whole numbers" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == [tmp_path / "mine.txt"]


def test_tokens_are_for_text(shared: ConvertOptions, tmp_path: Path) -> None:
    with pytest.raises(DeployError, match="--tokens cuts text"):
        sweep(SweepOptions(shared, tmp_path / "sweep", (8,), tokens=(4,)))


def test_charts_place_points_and_levels() -> None:
    chart = line_chart("c", "x", "y", {"a": [(0.0, 1.0), (10.0, 100.0)]}, log=True, levels={"l": 10.0, "none": 0.0})
    assert chart is not None
    (low_x, low_y, _), (high_x, high_y, text) = chart.lines[0].dots
    assert low_x < high_x and low_y > high_y and text == "a: x 10, y 100"
    ((level, name),) = chart.levels
    assert name == "l" and level == pytest.approx((low_y + high_y) / 2, abs=0.2)
    assert line_chart("c", "x", "y", {"a": []}) is None
    flat = line_chart("c", "x", "y", {"a": [(1.0, 2.0)]})
    assert flat is not None and flat.lines[0].path == "" and len(flat.y_ticks) > 1


def test_a_worker_that_dies_ends_the_work() -> None:
    with pytest.raises(DeployError, match=r"a worker process died: .* `if __name__"), processes(1) as pool:
        pool.submit(os._exit, 1).result()
