"""Warnings of runs that went through and may still be wrong, each with a run of which nothing is said."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import nir
import numpy as np
import pytest
import torch
from torch import nn

import deploy
from deploy.cautions import APART, LOST, far_from_float, lost_weights, silent_network
from deploy.cli import main
from deploy.report.page import Figures, render
from deploy.schema import Caution, dumps, loads, read_report, write_report
from deploy.schema import Report as Saved
from processes.fixed import magnitude_lost
from tests.deploy.reports import conversion, report

RNG = np.random.default_rng(0)


def network(path: Path, weight: np.ndarray, threshold: float = 1.0) -> Path:
    out = np.ones(len(weight))
    graph = nir.NIRGraph.from_list(nir.Linear(weight), nir.IF(out, threshold * out))
    nir.write(path, graph)
    np.savez(path.with_suffix(".npz"), x=RNG.random((2, 20, weight.shape[1])) < 0.5)
    return path


def run(path: Path, capsys: pytest.CaptureFixture[str], *options: str) -> list[str]:
    """The lines that begin with warning, which come last."""
    data = ["--input", str(path.with_suffix(".npz")), "--target", "closed-form", *options]
    assert main(["run", str(path), *data]) == 0
    lines = capsys.readouterr().out.strip().splitlines()
    found = [line for line in lines if line.startswith("warning: ")]
    assert lines[len(lines) - len(found) :] == found
    return found


def test_silence_names_the_node_how_far_it_got_and_the_time_step(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = network(tmp_path / "net.nir", RNG.uniform(0, 0.5, (4, 8)))
    (line,) = run(path, capsys)
    assert "no spike at all: the potential of 'if' reaches" in line and "suggest --dt 1;" in line
    assert run(path, capsys, "--dt", "1") == []


def test_silence_at_the_right_time_step_is_laid_to_the_input(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = network(tmp_path / "net.nir", RNG.uniform(0, 0.5, (4, 8)), 1e6)
    (line,) = run(path, capsys, "--dt", "1")
    assert "larger inputs" in line


def test_weights_that_rounding_sets_to_zero(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    weight = RNG.uniform(0.1, 0.5, (4, 8))
    path = network(tmp_path / "net.nir", weight)
    assert run(path, capsys, "--dt", "1", "--precision", "fixed") == []
    weight[0, 0] = 500  # a thousand times the others: they are below half of an 8-bit step
    lines = run(network(path, weight), capsys, "--dt", "1", "--precision", "fixed")
    assert (
        "rounding to 0 takes 75.1 % of the weights of 'linear', by magnitude" in lines[0]
        and "--precision float" in lines[0]
    )
    assert "'output'" in lines[1] and "% other sums than floating point" in lines[1]
    assert run(path, capsys, "--dt", "1") == []  # in floating point


def test_limits_are_exclusive() -> None:
    assert lost_weights({"a": LOST}, "x") == [] and len(lost_weights({"a": LOST + 1e-9}, "x")) == 1
    assert far_from_float(APART, ()) == () and far_from_float(None, ()) == ()
    assert far_from_float(APART + 1e-9, ())[0].node == "readout"
    assert silent_network(1.0, ["a"]) == () and silent_network(0.0, []) == ()
    assert silent_network(0.0, ["a", "b"])[0].node == "a"


OUTPUTS = 40


def converted(inputs: int, factor: float, columns: int = 1) -> list[Caution]:
    """What is said of the weights of a layer, each row of which has one ``factor`` times as large, in the first ``columns``."""
    torch.manual_seed(0)
    module = nn.Sequential(nn.Linear(inputs, OUTPUTS), nn.ReLU(), nn.Linear(OUTPUTS, 3)).eval()
    with torch.no_grad():
        module[0].weight[torch.arange(OUTPUTS), torch.arange(OUTPUTS) % columns] *= factor  # type: ignore[operator,index]
    found = deploy.convert(module, torch.rand(20, inputs), timesteps=8, base=1.6).report.warnings
    return [caution for caution in found if caution.kind == "weights"]


def test_a_conversion_says_which_weights_it_loses() -> None:
    assert converted(512, 1.0) == []
    (found,) = converted(512, 600.0, columns=OUTPUTS)
    assert found.node == "0" and found.number > LOST


def test_a_column_that_has_a_synapse_of_its_own_takes_no_bits_from_others() -> None:
    assert converted(512, 600.0) == []


def test_many_weights_that_weigh_nothing_are_no_loss() -> None:
    assert converted(16, 10_000.0) == []  # 15 of 16 become 0, and with them 0.15 % of the sum


def test_magnitude_lost_is_averaged_over_outputs() -> None:
    weight = np.array([[[4.0, 1.0]], [[0.0, 0.0]], [[3.0, 1.0]]])
    assert magnitude_lost(weight, np.array([[[4, 0]], [[0, 0]], [[0, 0]]])) == (0.2 + 1) / 2
    assert magnitude_lost(weight, np.ones_like(weight)) == 0 == magnitude_lost(np.zeros((2, 2)), np.zeros((2, 2)))
    assert magnitude_lost(np.array(0.3), np.array(0)) == 1


CAUTION = Caution(kind="weights", node="fc1", number=0.25, text="rounding loses weights of 'fc1'", remedy="clip them")


def test_reports_and_pages_keep_warnings(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    held = report(warnings=(CAUTION,))
    assert loads(Saved, dumps(held), "here").warnings == (CAUTION,)
    page = render(held, Figures())
    assert ">Warnings</h2>" in page and "rounding loses weights of &#39;fc1&#39;" in page
    assert ">Warnings</h2>" not in render(report(), Figures())
    folder = conversion(tmp_path / "out")
    assert main(["report", str(folder)]) == 0 and "warning" not in capsys.readouterr().out
    write_report(folder, replace(read_report(folder), warnings=(CAUTION,)))
    assert main(["report", str(folder)]) == 0
    last = capsys.readouterr().out.strip().splitlines()[-1]
    assert last == "warning: rounding loses weights of 'fc1'. Remedy: clip them."
