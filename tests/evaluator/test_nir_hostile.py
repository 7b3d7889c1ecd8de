"""Broken and hostile NIR files: a clear error, no crash, no memory."""

from __future__ import annotations

import itertools
import os
import resource
import signal
import time
from pathlib import Path
from typing import Any

import h5py
import nir
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evaluator import nir_reader
from evaluator.nir_reader import read_graph
from processes.errors import DeployError, UnsupportedGraph
from targets.nir_graph.plan import make_plan

GOLDEN = Path(__file__).parents[1] / "golden" / "nir-paper" / "lif_norse.nir"
DT = 1e-4


def lif(n: int = 3, **changes: Any) -> nir.LIF:
    values = {"tau": np.full(n, 0.01), "r": np.ones(n), "v_leak": np.zeros(n), "v_threshold": np.ones(n)}
    return nir.LIF(**(values | changes))


def chain(*nodes: Any, shape: tuple[int, ...] = (3,)) -> nir.NIRGraph:
    """input -> nodes -> output."""
    named = {"input": nir.Input(np.array(shape)), **{f"n{i}": node for i, node in enumerate(nodes)}}
    names = [*named, "output"]
    return nir.NIRGraph(named | {"output": nir.Output(None)}, list(itertools.pairwise(names)), type_check=False)


def conv(**changes: Any) -> nir.Conv2d:
    values: dict[str, Any] = {
        "input_shape": None, "weight": np.ones((2, 3, 3, 3)), "stride": 1, "padding": 0, "dilation": 1, "groups": 1,
        "bias": np.zeros(2),
    }  # fmt: skip
    return nir.Conv2d(**(values | changes))


IMAGE = (3, 8, 8)
nested = nir.NIRGraph({"input": nir.Input(np.array([3])), "output": nir.Output(np.array([3]))}, [("input", "output")],
                      metadata={"op": "woss"}, type_check=False)  # fmt: skip
two_doors = nir.NIRGraph({"a": nir.Input(np.array([3])), "b": nir.Input(np.array([3])), "o": nir.Output(np.array([3]))},
                         [("a", "o"), ("b", "o")], type_check=False)  # fmt: skip
ones = np.ones(3)

REFUSED = {
    "tau is 0": (chain(lif(tau=np.zeros(3))), "above 0"),
    "tau below dt": (chain(lif(tau=np.full(3, 1e-5))), "below dt"),
    "NaN": (chain(lif(v_threshold=np.full(3, np.nan))), "NaN"),
    "complex": (chain(nir.Scale(ones * 1j)), "not real"),
    "empty": (chain(nir.Scale(np.zeros(0))), "empty"),
    "negative delay": (chain(nir.Delay(-ones)), "before it is sent"),
    "wrong length": (chain(lif(4)), "does not fit 3"),
    "wrong weight": (chain(nir.Linear(np.ones((2, 5)))), "does not fit an input of 3"),
    "wrong bias": (chain(nir.Affine(np.ones((2, 3)), np.ones(3))), "does not fit 2"),
    "wrong channels": (chain(conv(), shape=(4, 8, 8)), "4 channels"),
    "wrong groups": (chain(conv(groups=2), shape=IMAGE), "in 2 groups"),
    "wrong pixels": (chain(conv(input_shape=(9, 9)), shape=IMAGE), "declares 9×9 and gets 8×8"),
    "huge padding": (chain(conv(padding=10**9), shape=IMAGE), "larger than"),
    "no stride": (chain(conv(stride=0), shape=IMAGE), "at least 1"),
    "text for padding": (chain(conv(padding=np.array([0.5, 1])), shape=IMAGE), "whole numbers"),
    "kernel too large": (chain(conv(), shape=(3, 2, 2)), "larger than its input"),
    "pool of a vector": (chain(nir.SumPool2d(np.array([2, 2]), np.array([2, 2]), np.array([0, 0]))), "axes of pixels"),
    "flatten": (chain(nir.Flatten({"input": None}, 2, 5)), "no axes"),
    "huge input": (chain(nir.Scale(np.ones(1)), shape=(10**6, 10**6)), "the limit"),
    "negative input": (chain(nir.Scale(np.ones(1)), shape=(-3,)), "at every step"),
    "ours without its graph": (chain(nested), "operation 'woss'"),
    "two doors": (chain(two_doors), "2 inputs and 1 outputs"),
    "no input": (nir.NIRGraph({"a": lif(), "output": nir.Output(None)}, [("a", "output")], type_check=False), "no Input"),
    "missing node": (nir.NIRGraph({"a": nir.Input(ones), "output": nir.Output(None)}, [("a", "b")], type_check=False),
                     "needs it"),
    "two edges": (nir.NIRGraph({"a": nir.Input(np.array([3])), "output": nir.Output(None)}, [("a", "output")] * 2,
                               type_check=False), "two edges"),
    "instant cycle": (nir.NIRGraph(
        {"a": nir.Input(np.array([3])), "b": nir.Scale(ones), "c": nir.Delay(ones * 1e-9), "output": nir.Output(None)},
        [("a", "b"), ("b", "c"), ("c", "b"), ("c", "output")], type_check=False), "cycle without"),
}  # fmt: skip


@pytest.mark.parametrize("what", REFUSED)
def test_graphs_that_cannot_run_are_refused(what: str) -> None:
    graph, reason = REFUSED[what]
    with pytest.raises(UnsupportedGraph) as caught:
        make_plan(graph, DT)
    assert any(reason in refusal.reason for refusal in caught.value.refusals), caught.value.refusals
    assert "\n" not in str(caught.value)


def test_every_refusal_is_in_the_table() -> None:
    with pytest.raises(UnsupportedGraph) as caught:
        make_plan(chain(lif(tau=np.zeros(3)), nir.Delay(-ones), nir.Scale(ones * np.inf)), DT)
    assert [refusal.node for refusal in caught.value.refusals] == ["n0", "n1", "n2"]


def with_file(path: Path, change: Any) -> Path:
    path.write_bytes(GOLDEN.read_bytes())
    with h5py.File(path, "r+") as file:
        change(file)
    return path


def replace(file: h5py.File, name: str, **dataset: Any) -> None:
    del file[name]
    file.create_dataset(name, **dataset)


FILES: dict[str, tuple[Any, str]] = {
    "huge declared shape": (
        lambda f: replace(f, "node/nodes/1/tau", shape=(2**40,), dtype="f8", chunks=(1024,)), "declares shape"),
    "huge zeros": (lambda f: replace(f, "node/nodes/1/tau", shape=(2**33,), dtype="f8"), "declares shape"),
    "unknown type": (lambda f: replace(f, "node/nodes/1/type", data="Softmax"), "not readable as a NIR graph"),
    "abstract type": (lambda f: replace(f, "node/nodes/1/type", data="NIRNode"), "not readable as a NIR graph"),
    "no type": (lambda f: f.__delitem__("node/nodes/1/type"), "not readable as a NIR graph"),
    "missing field": (lambda f: f.__delitem__("node/nodes/1/r"), "not readable as a NIR graph"),
    "extra field": (lambda f: f.__setitem__("node/nodes/1/q", 1), "not readable as a NIR graph"),
    "no node": (lambda f: f.__delitem__("node"), "without a group"),
    "edges of numbers": (lambda f: replace(f, "node/edges", data=np.ones((2, 2))), "not readable as a NIR graph"),
    "itself inside": (lambda f: f.__setitem__("node/nodes/1/node", f["node"]), "contains itself"),
    "soft link": (lambda f: f.__setitem__("node/nodes/1/link", h5py.SoftLink("/node")), "link to elsewhere"),
    "another file": (
        lambda f: f.__setitem__("node/nodes/1/link", h5py.ExternalLink("/etc/passwd", "/")), "link to elsewhere"),
    "data elsewhere": (
        lambda f: replace(f, "node/nodes/1/tau", shape=(1,), dtype="f8", external=[("/etc/passwd", 0, 8)]), "other files"),
    "references": (lambda f: replace(f, "node/nodes/1/tau", data=f["node"].ref), "not numbers or text"),
}  # fmt: skip


@pytest.mark.parametrize("what", FILES)
def test_hostile_files_are_refused(what: str, tmp_path: Path) -> None:
    """Also without the memory that they ask for."""
    change, reason = FILES[what]
    path = with_file(tmp_path / "hostile.nir", change)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(DeployError, match=reason) as caught:
        read_graph(path)
    assert "\n" not in str(caught.value)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 100_000  # kB


@settings(max_examples=60)
@given(data=st.data())
def test_cut_or_altered_files_are_read_or_refused(
    data: st.DataObject, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Every file ends in a plan or in one line."""
    content = bytearray(GOLDEN.read_bytes())
    if data.draw(st.booleans()):
        content = content[: data.draw(st.integers(0, len(content) - 1))]
    else:
        for _ in range(data.draw(st.integers(1, 20))):
            content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    path = tmp_path_factory.getbasetemp() / "altered.nir"
    path.write_bytes(bytes(content))
    try:
        make_plan(read_graph(path), DT)
    except DeployError as error:
        assert "\n" not in str(error)


def test_files_that_never_end_or_crash_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """There are altered files on which the HDF5 library loops; they are read by a process that can be ended."""
    path = tmp_path / "any.nir"
    path.write_bytes(GOLDEN.read_bytes())
    monkeypatch.setattr(nir_reader, "PATIENCE", 0.2)
    with pytest.raises(DeployError, match="does not end"):
        nir_reader.safely(lambda _: any(n < 0 for n in itertools.count()), path)
    monkeypatch.setattr(nir_reader, "BUSY", 0.2)
    with pytest.raises(DeployError, match="does not end"):
        nir_reader.safely(lambda _: time.sleep(60), path)
    monkeypatch.setattr(nir_reader, "BUSY", 20.0)
    with pytest.raises(DeployError, match="crashes"):
        nir_reader.safely(lambda _: os.kill(os.getpid(), signal.SIGKILL), path)


def test_a_large_file_is_given_more_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A visit that takes longer than PATIENCE is no damage where the file is large, and is where it is small."""

    def visit(path: Path) -> int:
        begin = time.process_time()
        while time.process_time() < begin + 1.5:
            pass
        return 0

    monkeypatch.setattr(nir_reader, "PATIENCE", 0.2)
    monkeypatch.setattr(nir_reader, "_size", visit)
    small, large = tmp_path / "small.nir", tmp_path / "large.nir"
    small.write_bytes(GOLDEN.read_bytes())
    large.write_bytes(GOLDEN.read_bytes() + bytes(2**20))
    nir_reader.safely(lambda _: None, large)
    with pytest.raises(DeployError, match="does not end"):
        nir_reader.safely(lambda _: None, small)


def test_deep_graphs_are_no_problem(tmp_path: Path) -> None:
    """Nested twelve times."""
    inner: Any = lif()
    for _ in range(12):
        nodes = {"input": nir.Input(np.array([3])), "n": inner, "output": nir.Output(np.array([3]))}
        inner = nir.NIRGraph(nodes, [("input", "n"), ("n", "output")], type_check=False)
    nir.write(tmp_path / "deep.nir", inner)
    plan = make_plan(read_graph(tmp_path / "deep.nir"), DT)
    assert sum(isinstance(item.node, nir.LIF) for item in plan.items.values()) == 1
