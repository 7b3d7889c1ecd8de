"""deploy evaluate: interruptions, dying workers, one worker or many, a cluster: the result is the same."""

from __future__ import annotations

import json
import multiprocessing
import os
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest

from deploy import evaluation
from deploy.api import convert_files
from deploy.cli import main
from deploy.errors import DeployError
from deploy.evaluation import engines, evaluate
from deploy.evaluation.engines import on_cluster, on_this_machine
from deploy.evaluation.work import Batch, Job, run_batch
from deploy.options import ConvertOptions, EvaluateOptions
from deploy.origin import Trust

MODEL = """
import torch
from torch import nn

def build():
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(6, 16), nn.ReLU(), nn.Linear(16, 3)).eval()
"""
SAMPLES, SIZE = 22, 4


@pytest.fixture(scope="module")
def converted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small network for samples of 6 numbers and 3 classes."""
    folder = tmp_path_factory.mktemp("evaluate")
    random = np.random.default_rng(0)
    (folder / "nets.py").write_text(MODEL)
    np.savez(folder / "calib.npz", x=random.random((16, 1, 6), np.float32))
    np.savez(folder / "eval.npz", x=random.random((SAMPLES, 1, 6), np.float32))
    convert_files(
        ConvertOptions(
            model=f"{folder / 'nets.py'}:build", calib=folder / "calib.npz", evaluation=folder / "eval.npz", timesteps=8,
            base=1.5, target="closed-form", out=folder / "out",
        )
    )  # fmt: skip
    return folder / "out"


def test_the_rate_coded_baseline_is_a_method_of_the_same_command(converted: Path, tmp_path: Path) -> None:
    """At equal T, a ReLU network in phase codes beside the same in a rate code; the latter also survives its file."""
    folder = converted.parent
    common = f"convert --model {folder / 'nets.py'}:build --calib {folder / 'calib.npz'} --eval {folder / 'eval.npz'}"
    line = f"{common} --timesteps 8 --target closed-form --method rate-coded -o {tmp_path / 'rate'}"
    assert main(line.split()) == 2  # fixed point is not offered
    assert main([*line.split(), "--precision", "float"]) == 0
    report = json.loads((tmp_path / "rate" / "report.json").read_text())
    assert report["method"] == "rate-coded" and "exactness" not in report
    assert 0.9 < report["snn"]["output_cosine"] < 1 and report["spikes"]["per_neuron"] > 1


@pytest.mark.parametrize("method", ["qcfs", "snm", "mst", "fs"])
def test_published_baselines_are_methods_of_the_same_command(
    method: str, converted: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = converted.parent
    common = f"convert --model {folder / 'nets.py'}:build --calib {folder / 'calib.npz'} --eval {folder / 'eval.npz'}"
    line = f"{common} --timesteps 16 --target stepper --method {method} -o {tmp_path / 'out'}".split()
    line += ["--mask-rate", "0.1"] if method == "mst" else []
    if method != "fs":
        assert main(line) == 2 and "floating-point baseline; give --precision float" in capsys.readouterr().err
    assert main([*line, "--precision", "float", "--winner", "race"]) == (0 if method == "fs" else 2)
    assert main([*line, "--precision", "float", "--force"]) == 0
    report = json.loads((tmp_path / "out" / "report.json").read_text())
    assert report["method"] == method and report["options"].get("mask_rate") == (0.1 if method == "mst" else None)
    assert 0.9 < report["snn"]["output_cosine"] < 1 and report["exactness"]["mismatches"] == 0


def inline(job: Job, numbers: Iterable[int], cut: engines.Cut, workers: int) -> Iterator[tuple[int, Batch]]:
    """All in this process, and not in order."""
    for number in sorted(numbers, key=lambda n: (7 * n) % 5):
        yield number, run_batch(job, cut(number))


@pytest.fixture
def here(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(evaluation, "on_this_machine", inline)


def result(folder: Path) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """Everything that was written but the times."""
    summary = json.loads((folder / evaluation.RESULT).read_text())
    assert summary.pop("seconds")
    with np.load(folder / evaluation.SAMPLES) as rows:
        return summary, dict(rows)


def same(a: tuple[dict[str, Any], dict[str, np.ndarray]], b: tuple[dict[str, Any], dict[str, np.ndarray]]) -> bool:
    return a[0] == b[0] and a[1].keys() == b[1].keys() and all(np.array_equal(a[1][k], b[1][k]) for k in a[1])


def test_interrupted_ten_times_equals_uninterrupted(
    converted: Path, here: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    options = EvaluateOptions(converted, trust=True, batch_size=2)
    evaluate(options)
    whole = result(converted)
    assert whole[0]["samples"] == SAMPLES and 0.5 < whole[0]["snn"]["output_cosine"] < 1
    save = Batch.save
    evaluated: list[Path] = []

    def interrupted(batch: Batch, path: Path) -> None:
        assert path not in evaluated, "evaluated twice"
        if len(evaluated) == limit:
            path.with_suffix(".part").write_bytes(b"half a file")
            raise KeyboardInterrupt
        save(batch, path)
        evaluated.append(path)

    monkeypatch.setattr(Batch, "save", interrupted)
    for limit in range(10):
        with pytest.raises(KeyboardInterrupt):
            evaluate(EvaluateOptions(converted, trust=True, batch_size=2, resume=limit > 0))
    limit = 100
    evaluate(EvaluateOptions(converted, trust=True, batch_size=2, resume=True))
    assert len(evaluated) == SAMPLES // 2 and same(result(converted), whole)
    assert not (converted / evaluation.UNFINISHED).exists()


def test_an_interrupted_evaluation_is_neither_lost_nor_mixed_up(
    converted: Path, here: None, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def stopped(*arguments: Any) -> Iterator[tuple[int, Batch]]:
        yield from list(inline(*arguments))[:2]
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(evaluation, "on_this_machine", stopped)
        assert main(["evaluate", str(converted), "--trust", "--batch-size", "4"]) == 130
    assert main(["evaluate", str(converted), "--trust", "--batch-size", "4"]) == 2
    assert "2 batches done" in capsys.readouterr().err
    assert main(["evaluate", str(converted), "--trust", "--batch-size", "3", "--resume"]) == 2
    assert "another batch size" in capsys.readouterr().err
    assert main(["evaluate", str(converted), "--trust", "--batch-size", "4", "--limit", "9", "--resume"]) == 2
    assert "another network and data" in capsys.readouterr().err
    assert main(["evaluate", str(converted), "--trust", "--batch-size", "3", "--force"]) == 0
    assert "cosine" in capsys.readouterr().out


def test_overlapping_samples_give_the_same(converted: Path, here: None, capsys: pytest.CaptureFixture[str]) -> None:
    line = ["evaluate", str(converted), "--trust", "--batch-size", "8", "--target", "stepper"]
    assert main(line) == 0
    alone = result(converted)
    assert main([*line, "--overlap", "--state-sets", "2"]) == 0
    together = result(converted)
    overlap = together[0].pop("overlap")
    assert same(alone, together) and alone[0]["exactness"]["mismatches"] == 0
    assert (overlap["state_sets"], overlap["interval"]) == (2, 8) and "8, 2 sets of state" in capsys.readouterr().out
    assert main([*line, "--state-sets", "2"]) == 2
    assert "add --overlap" in capsys.readouterr().err
    assert main([*line[:-1], "closed-form", "--overlap"]) == 2
    assert "give --target stepper" in capsys.readouterr().err
    assert main(["run", str(converted), "--trust", "--samples", "5", "--overlap"]) == 0
    assert "interval steps" in capsys.readouterr().out
    assert main(["run", str(converted / "graph.nir"), "--overlap"]) == 2
    assert "for a converted network's folder" in capsys.readouterr().err


@pytest.fixture
def job(converted: Path) -> tuple[Job, engines.Cut, dict[int, Batch]]:
    """A job of six batches and what they give."""
    samples = np.load(converted.parent / "eval.npz")["x"]
    job = Job(converted, "closed-form", "block", classes=False, trust=Trust(files=True))

    def cut(number: int) -> list[np.ndarray]:
        return [samples[SIZE * number : SIZE * (number + 1)]]

    return job, cut, {n: run_batch(job, cut(n)) for n in range(6)}


def check(found: dict[int, Batch], expected: dict[int, Batch]) -> None:
    assert found.keys() == expected.keys()
    for number, batch in found.items():
        assert batch.counts == expected[number].counts
        assert all(np.array_equal(getattr(batch, a), getattr(expected[number], a)) for a in Batch.ARRAYS)


def killing(kill: Callable[[], None], batches: Iterator[tuple[int, Batch]]) -> dict[int, Batch]:
    """All batches, with ``kill`` called after the first; each arrives once."""
    found: dict[int, Batch] = {}
    for number, batch in batches:
        assert number not in found
        found[number] = batch
        if len(found) == 1:
            kill()
    return found


def test_a_worker_that_dies_loses_no_sample(job: tuple[Job, engines.Cut, dict[int, Batch]]) -> None:
    def kill() -> None:
        multiprocessing.active_children()[0].kill()

    check(killing(kill, on_this_machine(job[0], range(6), job[1], 2)), job[2])


def test_workers_that_keep_dying_end_the_evaluation(converted: Path) -> None:
    with pytest.raises(DeployError, match="3 worker processes died in a row"):
        list(
            on_this_machine(
                Job(converted, "closed-form", "block", False, Trust(files=True)), [0], lambda n: _Deadly(), 1
            )
        )  # type: ignore[arg-type]


class _Deadly:
    """Ends the process that unpickles it."""

    def __reduce__(self) -> tuple[Callable[[int], None], tuple[int]]:
        return os._exit, (1,)


def test_a_local_cluster_gives_the_same_when_a_worker_dies(job: tuple[Job, engines.Cut, dict[int, Batch]]) -> None:
    from distributed import LocalCluster

    with LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=":0", silence_logs=50) as cluster:

        def kill() -> None:
            psutil.Process(next(iter(cluster.workers.values())).pid).kill()

        check(killing(kill, on_cluster(job[0], range(6), job[1], cluster.scheduler_address)), job[2])


@pytest.mark.parametrize("daemon", [False, True])
def test_lava_on_a_cluster(converted: Path, daemon: bool) -> None:
    import dask.config
    from distributed import LocalCluster

    with (
        dask.config.set({"distributed.worker.daemon": daemon}),
        LocalCluster(n_workers=1, threads_per_worker=1, dashboard_address=":0", silence_logs=50) as cluster,
    ):
        options = EvaluateOptions(
            converted,
            target="lava-sim",
            limit=1,
            batch_size=1,
            cluster=cluster.scheduler_address,
            force=True,
            trust=True,
        )
        if daemon:
            with pytest.raises(DeployError, match="DASK_DISTRIBUTED__WORKER__DAEMON=False"):
                evaluate(options)
        else:
            found = evaluate(options).exactness
            assert found is not None and found.compared_spikes > 0 and found.mismatches == 0


def test_nobody_at_the_cluster_address(converted: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(DeployError, match="no Dask scheduler answers"):
        evaluate(EvaluateOptions(converted, trust=True, cluster="tcp://127.0.0.1:9", force=True))
