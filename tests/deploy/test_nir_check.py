"""`deploy check FILE.nir`: what is wrong with a file, what can be repaired, where it runs; and `deploy run` of such files."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import nir
import numpy as np
import pytest

from deploy.cli import main
from deploy.nir_check import check
from evaluator.nir_reader import read_file, read_graph
from evaluator.nir_versions import modernise
from targets.nir_graph.mend import declare, mend
from targets.nir_graph.plan import make_plan

DT = 1e-4
RNG = np.random.default_rng(0)
Nodes = dict[str, Any]


def lif(*shape: int, **other: Any) -> nir.LIF:
    values: Any = {"tau": 0.01, "r": 1.0, "v_leak": 0.0, "v_threshold": 0.1, "v_reset": 0.0} | other
    return nir.LIF(**{name: np.full(shape, value) for name, value in values.items()})


def chain(**nodes: Any) -> nir.NIRGraph:
    """Nodes in a row, their types unchecked."""
    names = list(nodes)
    return nir.NIRGraph(nodes, list(itertools.pairwise(names)), type_check=False)


def entry(*shape: int) -> nir.Input:
    return nir.Input({"input": np.array(shape)})


def leave(*shape: int) -> nir.Output:
    return nir.Output({"output": np.array(shape)})


def flat(start: int, end: int = -1, declared: tuple[int, ...] | None = None) -> nir.Flatten:
    return nir.Flatten({"input": np.array(declared or (2, 4, 4))}, start, end)


def conv(channels: int = 1) -> nir.Conv2d:
    return nir.Conv2d((6, 6), np.ones((2, channels, 3, 3)), 1, 1, 1, 1, np.zeros(2))


def linear(out: int, into: int) -> nir.Linear:
    return nir.Linear(np.ones((out, into)))


def batched(node: nir.LIF) -> nir.LIF:
    """Parameters with the axis of a state's batch in front."""
    for field in ("tau", "r", "v_leak", "v_threshold", "v_reset"):
        setattr(node, field, getattr(node, field)[None])
    return node


BROKEN: dict[str, tuple[Callable[[], nir.NIRGraph], str, tuple[int, ...]]] = {
    "output with batch and time": (lambda: chain(i=entry(1), a=linear(1, 1), n=lif(1), o=leave(1, 1, 1)), "o", (1,)),
    "flatten counts a batch": (lambda: chain(i=entry(2, 4, 4), f=flat(1), a=linear(3, 32), o=leave(3)), "f", (3,)),
    "flatten declares a batch": (
        lambda: chain(i=entry(2, 4, 4), f=flat(1, -1, (1, 2, 4, 4)), a=linear(3, 32), o=leave(3)), "f", (3,),
    ),
    "flatten declares zeros": (
        lambda: chain(i=entry(2, 4, 4), f=flat(1, -1, (0, 0, 0, 0)), a=linear(3, 32), o=leave(3)), "f", (3,),
    ),
    "input with a batch, convolution": (lambda: chain(i=entry(1, 1, 6, 6), c=conv(), o=leave(2, 6, 6)), "i", (2, 6, 6)),
    "input with time and batch, convolution": (
        lambda: chain(i=entry(20, 1, 1, 6, 6), c=conv(), o=leave(2, 6, 6)), "i", (2, 6, 6),
    ),
    "input with a batch, dense": (lambda: chain(i=entry(1, 3), a=linear(2, 3), n=lif(2), o=leave(2)), "i", (2,)),
    "neurons with a batch": (lambda: chain(i=entry(3), a=linear(2, 3), n=batched(lif(2)), o=leave(2)), "n", (2,)),
    "input in the middle": (lambda: chain(i=entry(3), j=entry(3), a=linear(2, 3), o=leave(2)), "j", (2,)),
    "output in the middle": (lambda: chain(i=entry(3), p=leave(3), a=linear(2, 3), o=leave(2)), "p", (2,)),
    "no ends": (lambda: chain(a=linear(2, 3), n=lif(2)), "input_a", (2,)),
}  # fmt: skip


@pytest.mark.parametrize("name", BROKEN)
def test_every_repair_gives_a_graph_that_runs_and_type_checks(name: str) -> None:
    make, node, shape = BROKEN[name]
    graph = make()
    before = {name: dict(vars(node)) for name, node in graph.nodes.items()}
    with pytest.raises(Exception, match=r".+"):  # nir's own check raises whatever it stumbles over
        probe = make()
        probe.infer_types()
        probe.check_types()
        make_plan(graph, DT)
    mended, repairs = mend(graph, DT)
    assert node in [repair.node for repair in repairs] and all(repair.harmless for repair in repairs)
    plan = make_plan(mended, DT)
    assert plan.items[plan.outputs[-1]].shape == shape
    full, _ = declare(mended, DT)
    full.infer_types()
    full.check_types()
    # the given graph stays as it is
    assert {name: dict(vars(node)) for name, node in graph.nodes.items()} == before


SOUND: dict[str, Callable[[], nir.NIRGraph]] = {
    "flatten from the sample's second axis": lambda: chain(i=entry(2, 4, 4), f=flat(1), a=linear(3, 16), o=leave(2, 3)),
    "image of one channel": lambda: chain(i=entry(1, 6, 6), c=conv(), n=lif(2, 6, 6), o=leave(2, 6, 6)),
    "tokens": lambda: chain(i=entry(5, 3), a=linear(2, 3), o=leave(5, 2)),
}


@pytest.mark.parametrize("name", SOUND)
def test_what_fits_stays_as_it_is(name: str) -> None:
    assert mend(SOUND[name](), DT)[1] == []


def test_what_has_no_single_reading_stays_refused() -> None:
    graph = chain(i=entry(4), a=linear(2, 3), o=leave(2))
    mended, repairs = mend(graph, DT)
    assert repairs == [] and mended.edges == graph.edges
    # 2 x 3 parameters on a signal of 3: rows differ, so there is no telling which is meant
    node = batched(lif(3))
    node.v_threshold = np.arange(6.0).reshape(2, 3)
    assert mend(chain(i=entry(3), n=node, o=leave(3)), DT)[1] == []


def test_edges_that_are_there_twice_are_repaired_only_when_asked() -> None:
    graph = chain(i=entry(3), a=linear(2, 3), o=leave(2))
    graph.edges.append(("i", "a"))
    assert mend(graph, DT)[1] == []
    mended, repairs = mend(graph, DT, harmless=False)
    assert [repair.harmless for repair in repairs] == [False] and len(mended.edges) == 2


def old_file(path: Path, version: str, nodes: Nodes, edges: list[tuple[str, str]]) -> Path:
    """A file as older versions of nir wrote it; today's cannot build such nodes."""
    with h5py.File(path, "w") as file:
        file["version"] = version
        graph = file.create_group("node")
        graph["type"] = "NIRGraph"
        graph.create_dataset("edges", data=np.array(edges, dtype="S").astype(object), dtype=h5py.string_dtype())
        for name, fields in nodes.items():
            group = graph.require_group("nodes").create_group(name)
            for field, value in fields.items():
                group[field] = value
    return path


def old_convolution(path: Path) -> Path:
    pair = np.array([1, 1])
    fields = {
        "type": "Conv2d",
        "weight": RNG.normal(size=(2, 1, 3, 3)),
        "stride": pair,
        "padding": pair,
        "dilation": pair,
    }
    neuron = {"type": "IF", "r": np.ones((2, 6, 6)), "v_threshold": np.ones((2, 6, 6))}
    ends = ({"type": "Input", "shape": np.array([1, 6, 6])}, {"type": "Output", "shape": np.array([2, 6, 6])})
    nodes = {"input": ends[0], "0": {**fields, "groups": 1, "bias": np.zeros(2)}, "1": neuron, "output": ends[1]}
    return old_file(path, "0.2.0", nodes, [("input", "0"), ("0", "1"), ("1", "output")])


def old_scalars(path: Path) -> Path:
    one = np.ones(1)
    neuron = {"type": "LIF", "tau": one * 0.0025, "r": 1.0, "v_leak": 0.0, "v_threshold": one * 0.1}
    dense = {"type": "Affine", "weight": np.ones((1, 1)), "bias": np.zeros(1)}
    ends = ({"type": "Input", "shape": np.array([1])}, {"type": "Output", "shape": np.array([1])})
    nodes = {"input": ends[0], "0": dense, "1": neuron, "output": ends[1]}
    return old_file(path, "0.1.1", nodes, [("input", "0"), ("0", "1"), ("1", "output")])


@pytest.mark.parametrize(("write", "node"), [(old_convolution, "0"), (old_scalars, "1")])
def test_files_of_older_versions_run(write: Callable[[Path], Path], node: str, tmp_path: Path) -> None:
    path = write(tmp_path / "old.nir")
    with pytest.raises((TypeError, AssertionError)):
        nir.read(path, type_check=False)
    found = read_file(path)
    assert [repair.node for repair in found.repairs] == [node]
    shape = make_plan(found.graph, 1e-3).items["input"].shape
    np.savez(tmp_path / "x.npz", x=np.ones((1, 5, *shape)))
    assert main(["run", str(path), "--input", str(tmp_path / "x.npz"), "--target", "closed-form", "--dt", "1e-3"]) == 0


def test_a_node_without_a_graph_gets_one(tmp_path: Path) -> None:
    nir.write(tmp_path / "one.nir", nir.Affine(np.ones((2, 3)), np.zeros(2)))
    graph = read_graph(tmp_path / "one.nir")
    assert make_plan(graph, DT).items["output"].shape == (2,)


def test_parameters_that_do_not_fit_are_left_to_nir() -> None:
    node = {"type": "LIF", "tau": np.ones(2), "r": np.ones(3), "v_leak": 0.0, "v_threshold": 1.0}
    content, repairs = modernise({"type": "NIRGraph", "nodes": {"n": node}, "edges": []})
    assert repairs == [] and np.shape(content["nodes"]["n"]["v_leak"]) == ()


@pytest.fixture
def rockpool(tmp_path: Path) -> Path:
    nir.write(tmp_path / "net.nir", BROKEN["output with batch and time"][0]())
    np.savez(tmp_path / "x.npz", x=np.ones((1, 5, 1)))
    return tmp_path / "net.nir"


def test_run_repairs_and_says_so(rockpool: Path, capsys: pytest.CaptureFixture[str]) -> None:
    data = ["--input", str(rockpool.with_name("x.npz")), "--target", "closed-form"]
    assert main(["run", str(rockpool), *data]) == 0
    assert "Repaired on reading: o (Output): declared 1×1×1" in capsys.readouterr().out
    fixed = rockpool.with_name("fixed.nir")
    assert main(["check", str(rockpool), "--repair", "-o", str(fixed)]) == 0
    capsys.readouterr()
    assert main(["run", str(fixed), *data]) == 0
    assert "Repaired" not in capsys.readouterr().out
    nir.read(fixed)  # with its type check


def test_data_may_keep_the_axes_that_the_file_declared(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    nir.write(tmp_path / "net.nir", BROKEN["input with a batch, dense"][0]())
    for shape, code in (((2, 5, 1, 3), 0), ((2, 5, 3), 0), ((2, 5, 2, 3), 2)):
        np.savez(tmp_path / "x.npz", x=np.ones(shape))
        arguments = ["--input", str(tmp_path / "x.npz"), "--target", "closed-form"]
        assert main(["run", str(tmp_path / "net.nir"), *arguments]) == code


def test_the_check_says_what_a_file_is(rockpool: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", str(rockpool), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["neurons"], found["parameters"], found["version"]) == (1, 6, nir.version)
    assert "type mismatch" in found["type_error"] and found["repairs"][0]["node"] == "o" and found["runs"]
    assert {kind["kind"]: kind["nodes"] for kind in found["kinds"]} == {"Input": 1, "Linear": 1, "LIF": 1, "Output": 1}
    stops = {place["name"]: place["stops"] for place in found["places"]}
    assert stops["lava-sim, closed-form"] == stops["snntorch"] == stops["brian2-loihi"] == []
    assert stops["sinabs"][0]["node"] == "a" and stops["speck"][0]["node"] == "n"


def test_a_file_that_nothing_repairs_fails_the_check(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    nir.write(tmp_path / "net.nir", chain(i=entry(4), a=linear(2, 3), o=leave(2)))
    assert main(["check", str(tmp_path / "net.nir")]) == 1
    assert "weight 2×3 does not fit an input of 4" in " ".join(capsys.readouterr().out.split())


@pytest.mark.parametrize(
    ("node", "writer", "dt"),
    [
        (lif(2, tau=0.01, r=100.0), "snnTorch", 1e-4),
        (lif(2, tau=20.0), "sinabs", 1.0),
        (nir.IF(np.ones(2), np.ones(2)), "sinabs", 1.0),
        (lif(2, tau=0.02), "Norse", None),
        (lif(2, tau=0.02, r=3.0), "unknown", None),
    ],
)
def test_writer_and_time_step_are_told_by_the_numbers(node: Any, writer: str, dt: float | None, tmp_path: Path) -> None:
    graph = nir.NIRGraph(
        {"input": entry(3), "0": linear(2, 3), "1": node, "output": leave(2)},
        [("input", "0"), ("0", "1"), ("1", "output")],
    )
    nir.write(tmp_path / "net.nir", graph)
    found = check(tmp_path / "net.nir")
    assert found.writer.startswith(writer) and found.dt == dt


def test_check_and_repair_go_together(rockpool: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", str(rockpool), "--repair"]) == 2 and "give both" in capsys.readouterr().err
    (rockpool.parent / "there.nir").touch()
    assert main(["check", str(rockpool), "--repair", "-o", str(rockpool.parent / "there.nir")]) == 2
    assert "exists" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("node", "field", "value"), [("f", "start_dim", np.arange(3)), ("n", "tau", np.array("x")), ("n", "r", np.zeros(0))]
)
def test_damaged_fields_are_refused_and_no_crash(
    node: str, field: str, value: np.ndarray, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    nir.write(tmp_path / "net.nir", chain(i=entry(2, 4, 4), f=flat(0), a=linear(3, 32), n=lif(3), o=leave(3)))
    with h5py.File(tmp_path / "net.nir", "a") as file:
        group = file[f"node/nodes/{node}"]
        del group[field]  # type: ignore[attr-defined]
        group[field] = value.item() if value.dtype.kind == "U" else value  # type: ignore[index]
    assert main(["check", str(tmp_path / "net.nir")]) in (1, 2)
    assert "Traceback" not in capsys.readouterr().err


def test_large_layers_are_not_tried_on_chips(rockpool: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    remarks = {place.name: place.remark for place in check(rockpool).places}
    assert remarks["brian2-loihi"] == ""
    monkeypatch.setattr("deploy.nir_check.LARGE", 0)
    remarks = {place.name: place.remark for place in check(rockpool).places}
    assert "only the kinds of nodes" in remarks["brian2-loihi"]
