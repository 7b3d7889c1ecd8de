"""Folders that deploy writes, and NIR files, each with the commands that read them: what the fuzzer damages one file of."""

from __future__ import annotations

import contextlib
import functools
import io
import json
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any
from unittest import mock

import nir
import numpy as np

from deploy import evaluation, schema
from deploy.cli import main
from deploy.evaluation.engines import Cut
from deploy.evaluation.work import Batch, Job, run_batch
from deploy.options import ConvertOptions, EvaluateOptions
from deploy.sweep.point import Point
from deploy.trained.report import Energy, Formula, LavaRun, Layer, Run, TrainedReport
from processes.errors import DeployError
from tests.fuzz_files import HERE, Reader, npz

NET = """
import torch
from torch import nn

def build():
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(4, 6), nn.ReLU(), nn.Linear(6, 3))
"""
OUT, NEW = "{folder}/out", "{folder}/new"
REPORT = (
    f"report {OUT}", f"compare {OUT} {OUT} -o {NEW}.html", f"energy {OUT} --layers", f"energy {OUT} --json",
    f"plot {OUT} --figure energy -o {NEW}.csv", f"run {OUT} --target closed-form --input {OUT}/../d.npz --trust",
    f"verify {OUT} --target stepper --samples 1 --trust", f"export {OUT} --plain -o {NEW}.nir --trust",
    f"generate {OUT} --prompt a --trust",
)  # fmt: skip
GRAPH = (
    f"run {OUT} --target closed-form --trust", f"place {OUT}", f"verify {OUT} --target stepper --samples 1 --trust",
    f"export {OUT} -o {NEW}.nir", f"export {OUT} --format c -o {NEW} --trust", f"check {OUT}/graph.nir",
)  # fmt: skip
FIGURES = (f"plot {OUT} --figure scatter -o {NEW}.csv", f"plot {OUT} --figure raster -o {NEW}.csv")
RESUMED = f"evaluate {OUT} --resume --trust"
PLANNED = "out/evaluation.unfinished"
SWEEP = f"sweep --timesteps 8 --base 1.6 --calib {{folder}}/d.npz -o {OUT}"
SWEPT = (
    ("plan.json", SWEEP), ("points/T8-B1.6-spiked-attention-fixed-1spikes.json", SWEEP),
    ("sweep.json", f"plot {OUT} --figure pareto -o {NEW}.csv"), ("sweep.json", f"plot {OUT} --figure pareto -o {NEW}.png"),
)  # fmt: skip
STANDARD = (
    "run {folder}/net.nir --input {folder}/s.npz --target closed-form", "check {folder}/net.nir",
    "check {folder}/net.nir --repair -o {folder}/fixed.nir",
)  # fmt: skip


def _reader(name: str, files: Mapping[str, bytes], *lines: str) -> Reader:
    """One of a folder's ``files``, read by commands that write to nobody's terminal; exit code 2 is a refusal again."""

    def read(file: Path) -> None:
        folder, code, said = file.parents[name.count("/")], 0, io.StringIO()
        for line in lines:
            said = io.StringIO()
            with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(said):
                code = main(line.format(folder=folder).split())
            assert code in (0, 1) or "error: " in said.getvalue(), f"{line}: exit code {code}, and no word why"
        if code == 2:
            raise DeployError(said.getvalue().strip().splitlines()[-1])

    return Reader(name, files[name], read, files)


def _standard(folder: Path) -> None:
    random = np.random.default_rng(0)
    one = np.ones((2, 3, 3), np.float32)
    graph = nir.NIRGraph(
        {
            "input": nir.Input({"input": np.array([1, 3, 3])}),
            "conv": nir.Conv2d((3, 3), random.random((2, 1, 3, 3), np.float32), 1, 1, 1, 1, np.zeros(2, np.float32)),
            "lif": nir.LIF(tau=0.01 * one, r=one, v_leak=0 * one, v_threshold=0.1 * one, v_reset=0 * one),
            "flat": nir.Flatten({"input": np.array([2, 3, 3])}, 0, -1),
            "affine": nir.Affine(random.random((3, 18), np.float32), np.zeros(3, np.float32)),
            "if": nir.IF(r=np.ones(3), v_threshold=np.ones(3), v_reset=np.zeros(3)),
            "output": nir.Output({"output": np.array([3])}),
        },
        [("input", "conv"), ("conv", "lif"), ("lif", "flat"), ("flat", "affine"), ("affine", "if"), ("if", "output")],
    )
    nir.write(str(folder / "net.nir"), graph)
    (folder / "s.npz").write_bytes(npz(x=np.ones((1, 6, 1, 3, 3))))


def _conversion(folder: Path) -> None:
    """A converted network, an evaluation of it that was interrupted before its last step, and a sweep."""
    (folder / "net.py").write_text(NET)
    random = np.random.default_rng(0)
    (folder / "d.npz").write_bytes(npz(x=random.random((6, 4), np.float32), y=np.arange(6) % 3))
    line = f"convert --model {folder}/net.py:build --calib {folder}/d.npz --timesteps 8 --base 1.6"
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        assert main(f"{line} --target closed-form -o {folder}/out".split()) == 0
    interrupted = mock.Mock(side_effect=KeyboardInterrupt)
    patched = mock.patch.multiple(evaluation, on_this_machine=_here, _write=interrupted)
    with patched, contextlib.suppress(KeyboardInterrupt):
        evaluation.evaluate(EvaluateOptions(folder / "out", trust=True))


def _here(job: Job, numbers: Iterable[int], cut: Cut, workers: int) -> Iterator[tuple[int, Batch]]:
    """What an evaluation's worker processes do, in this one."""
    return ((number, run_batch(job, cut(number))) for number in numbers)


def _sweep() -> dict[str, bytes]:
    """A sweep of the demo with one point, which failed."""
    shared = ConvertOptions(target="closed-form", calib=Path(f"{HERE.decode()}/d.npz"))
    setting: dict[str, Any] = dict(timesteps=8, base=1.6, method="spiked-attention", precision="fixed", spikes=1)
    point = schema.Failed(**setting, failed="no memory")
    swept = schema.Sweep(options=shared, points=(_measured(setting), point), fronts={"latency": (0,)})
    files = {"plan.json": json.dumps(shared.record()), f"points/{Point(**setting).name}.json": schema.dumps(point)}
    files |= {"sweep.json": schema.dumps(swept)}
    return {f"out/{name}": text.encode() for name, text in files.items()} | {"out/original.npy": b"", "d.npz": b""}


def _measured(setting: dict[str, Any]) -> schema.Measured:
    return schema.Measured(
        **setting, chosen_base=1.6, samples=2, latency_steps=9, saturations=0, synaptic_operations=5.0, seconds=1.0,
        energy={"a": schema.Joules(title="a", snn=1.0, fp32=2.0, int8=3.0)}, accuracy=0.5, ann_accuracy=0.5,
    )  # fmt: skip


def _trained() -> bytes:
    run = Run(samples=2, accuracy=0.5, agreement=1.0, spikes=3.0, seconds_per_sample=0.1)
    layer = Layer(name="a", kind="LIF", size=3, rate=0.1, synaptic_operations=4.0, macs=5.0)
    cost = Energy(name="a", title="b", microjoules=1.0, omitted_microjoules=0.5)
    formula = Formula(microjoules=1.0, first_macs=3, operations=4.0, counted_operations=5.0, left_out={"a": 1.0})
    return TrainedReport(
        model="m", form="static", frames=4, neurons=3, nodes=2, readout="mean", compared_spikes=9, differing_from_original=0,
        changed_by_float32=0, silent=[], original_accuracy=None, floating=run, fixed=run, spikes_changed=0.0, overflows={},
        largest_rounding=0.1, lava=LavaRun(samples=1, compared=3, differing=0), standard_nir="none", layers=[layer],
        events={"spikes": 3.0}, formula=formula, energy=[cost],
    ).model_dump_json().encode()  # fmt: skip


@functools.cache
def readers() -> tuple[Reader, ...]:
    """Every file of such folders, with the commands that read it."""
    standard, made = _written(_standard), _written(_conversion)
    sound = {name: content for name, content in made.items() if "unfinished" not in name}
    trained = {"out/trained.json": _trained()}
    return (
        *(_reader("net.nir", standard, line) for line in STANDARD),
        *(_reader("out/report.json", sound, line) for line in REPORT),
        *(_reader("out/graph.nir", sound, line) for line in GRAPH),
        *(_reader("out/figures.npz", sound, line) for line in FIGURES),
        *(_reader(name, made, RESUMED) for name in ("out/report.json", f"{PLANNED}/plan.json", f"{PLANNED}/000000.npz")),
        _reader("out/trained.json", trained, f"energy {OUT} --layers"),
        *(_reader(f"out/{name}", _sweep(), line) for name, line in SWEPT),
    )  # fmt: skip


def _written(write: Callable[[Path], None]) -> dict[str, bytes]:
    """What ``write`` leaves in a folder; texts name that folder as HERE, which becomes the case's."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write(folder)
        found = {str(file.relative_to(folder)): file.read_bytes() for file in folder.rglob("*") if file.is_file()}
    return {
        key: content if key.endswith((".npz", ".nir")) else content.replace(name.encode(), HERE)
        for key, content in found.items()
    }
