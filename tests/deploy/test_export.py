"""`deploy export` in every form, and `deploy run` on what it wrote, from the command line."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import nir
import numpy as np
import pytest

from converters.pipeline import convert_module
from deploy import demo
from deploy.cli import main
from deploy.nir_files import GraphResult, run_file
from deploy.options import GraphOptions
from deploy.progress import Progress
from tests.converters.modules import images, small_vit
from tests.tolerances import FLOAT32, INTEGER_TRACE

REPOSITORY = Path(__file__).parents[2]
COMMON = ["--target", "closed-form", "--base", "1.4", "--timesteps", "8"]


def convert(folder: Path, model: str, calibration: np.ndarray, samples: np.ndarray, *options: str) -> Path:
    np.savez(folder / "calib.npz", x=calibration)
    np.savez(folder / "eval.npz", x=samples)
    data = ["--calib", str(folder / "calib.npz"), "--eval", str(folder / "eval.npz")]
    out = folder / "out"
    assert main(["convert", "--model", model, *data, *COMMON, *options, "-o", str(out)]) == 0
    return out


@pytest.fixture(scope="module", params=["phase", "rate"])
def mlp(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The bundled ReLU network, in floating point."""
    folder = tmp_path_factory.mktemp(request.param)
    weights = ["--weights", str(REPOSITORY / "examples" / "mlp.safetensors"), "--precision", "float"]
    method = ["--method", "rate-coded"] if request.param == "rate" else []
    x = demo.evaluation_data()[0][:4], demo.calibration_data()[0][:32]
    return convert(folder, f"{REPOSITORY / 'examples' / 'fashion_models.py'}:mlp", x[1], x[0], *weights, *method)


@pytest.fixture(scope="module", params=["float", "fixed"])
def vit(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small transformer with random weights."""
    folder = tmp_path_factory.mktemp(request.param)
    model = f"{REPOSITORY / 'tests' / 'converters' / 'modules.py'}:small_vit"
    return convert(folder, model, images(8), images(3, seed=1), "--precision", request.param)


@pytest.fixture(scope="module")
def stored(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file of it in fixed point, and data beside it."""
    folder = tmp_path_factory.mktemp("stored")
    np.savez(folder / "eval.npz", x=images(1))
    nir.write(folder / "vit.nir", convert_module(small_vit(), [images(8)], 8, 1.4).network.to_nir())
    return folder / "vit.nir"


def outputs(folder: Path, *arguments: object) -> np.ndarray:
    """What `deploy run` saves."""
    saved = folder / "outputs.npz"
    assert main(["run", *map(str, arguments), "--trust", "--samples", "3", "--output", str(saved)]) == 0
    with np.load(saved) as archive:
        return archive["output"]


def test_the_whole_file_runs_as_the_folder_does(vit: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file, data = tmp_path / "vit.nir", ["--input", vit.parent / "eval.npz"]
    assert main(["export", str(vit), "-o", str(file)]) == 0
    assert f"{file.stat().st_size:,} bytes" in capsys.readouterr().out
    wanted = outputs(tmp_path, vit, "--target", "closed-form")
    np.testing.assert_array_equal(outputs(tmp_path, file, *data, "--target", "closed-form"), wanted)
    np.testing.assert_array_equal(outputs(tmp_path, file, *data, "--target", "nir"), wanted)


@pytest.mark.parametrize("simulator", ["snntorch", "norse"])
def test_segments_run_in_a_simulator(simulator: str, vit: Path, tmp_path: Path) -> None:
    wanted = outputs(tmp_path, vit, "--target", "closed-form")
    file = tmp_path / "vit.nir"
    assert main(["export", str(vit), "-o", str(file)]) == 0
    for network in ([vit], [file, "--input", vit.parent / "eval.npz"]):
        got = outputs(tmp_path, *network, "--segments-in", simulator)
        if vit.parent.name.startswith("float"):
            np.testing.assert_allclose(got, wanted, rtol=0, atol=FLOAT32 * np.abs(wanted).max())
        else:
            assert (got * wanted).sum() > INTEGER_TRACE * np.linalg.norm(got) * np.linalg.norm(wanted)


@pytest.mark.parametrize("dialect", ["snntorch", "norse", "sinabs", "spikingjelly"])
def test_plain_files_run_as_standard_graphs(dialect: str, mlp: Path, tmp_path: Path) -> None:
    """With the time step, method and reset that stand in the file."""
    file = tmp_path / "mlp.nir"
    assert (
        main(["export", str(mlp), "--plain", "--trust", "--dialect", dialect, "--samples", "3", "-o", str(file)]) == 0
    )
    graph = nir.read(file, type_check=False)
    assert {type(node).__name__ for node in graph.nodes.values()} == {"Input", "Affine", "LIF", "Output"}
    data = tmp_path / "mlp.data.nir"
    result = run_file(file, data, "closed-form", 3, "block", GraphOptions(), Progress())
    assert isinstance(result, GraphResult)
    decoded = np.tensordot(result.run.traces.outputs["output"], result.weights, ([1], [0]))
    wanted = outputs(tmp_path, mlp, "--target", "closed-form")
    np.testing.assert_array_equal(decoded.argmax(-1).ravel(), wanted.argmax(-1))
    with h5py.File(file) as stored:  # nir 1.0.4 knows no v_reset
        held: Any = stored["node/nodes/00_1_neuron"]
        assert ("v_reset" in held) == (result.how.reset == "v_reset")


@pytest.mark.parametrize("vit", ["float"], indirect=True)
def test_segments_are_files_and_a_manifest(vit: Path, tmp_path: Path) -> None:
    out = tmp_path / "parts"
    assert main(["export", str(vit), "--segments", "--dialect", "norse", "-o", str(out)]) == 0
    manifest = json.loads((out / "manifest.json").read_text())
    files = {node["runs"] for node in manifest["nodes"]} - {"deploy"}
    assert files == {path.name for path in out.glob("*.nir")} and len(files) > 5
    operations = {node["operation"] for node in manifest["nodes"] if node["runs"] == "deploy"}
    assert operations >= {"trace_product", "woss", "dynamic_threshold", "residual"}
    graph = nir.read(out / min(files), type_check=False)
    pulses = np.asarray(graph.metadata["pulses"])
    assert pulses.shape[1] and pulses.shape[0] % int(graph.metadata["window"]) == 0


@pytest.mark.parametrize("vit", ["float"], indirect=True)
def test_a_c_program_is_a_folder_of_integers(vit: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Of a floating-point network there is none, and nothing is left behind."""
    done = main(["export", str(vit), "--trust", "--format", "c", "--samples", "2", "-o", str(tmp_path / "program")])
    said = capsys.readouterr()
    if "float" in vit.parent.name:
        assert done == 2 and "--precision fixed" in said.err and not any(tmp_path.iterdir())
        return
    assert done == 0 and "bytes of constants" in said.out
    readme = (tmp_path / "program" / "README.md").read_text()
    assert "runs 2 samples" in readme and "compared by `make check`" in readme
    assert "#define SAMPLES 2\n" in (tmp_path / "program" / "samples.h").read_text()
    again = ["export", str(vit), "--trust", "--format", "c", "--samples", "1", "-o", str(tmp_path / "program")]
    assert main(again) == 2 and "--force replaces it" in capsys.readouterr().err
    assert main([*again, "--force"]) == 0
    assert "#define SAMPLES 1\n" in (tmp_path / "program" / "samples.h").read_text()
    (tmp_path / "program" / "network.c").unlink()
    assert main([*again, "--force"]) == 2 and "never removed" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["export", "OUT", "--plain", "-o", "x.nir"], "export without --plain"),
        (["export", "OUT", "--plain", "--segments", "-o", "x"], "choose one"),
        (["export", "OUT", "--format", "onnx", "-o", "x"], "known are nir, c, loihi2"),
        (["export", "OUT", "--format", "loihi2", "--plain", "-o", "x"], "leave them out"),
        (["export", "OUT", "--format", "c", "--segments", "-o", "x"], "leave them out"),
        (["export", "OUT", "--segments", "--dialect", "brian", "-o", "x"], "known are snntorch"),
        (["export", "OUT", "-o", "OUT/report.json"], "--force replaces it"),
        (["export", "OUT", "-o", "OUT/report.json/x.nir"], "choose another file"),
        (["export", "nothing", "-o", "x.nir"], "nothing"),
        (["export", "OUT", "--samples", "0", "-o", "x.nir"], "--samples"),
        (["run", "OUT", "--trust", "--segments-in", "brian"], "known are snntorch"),
        (["run", "PAPER", "--input", "OUT/../eval.npz", "--segments-in", "norse"], "which is not cut"),
        (["run", "nothing.nir"], "nothing.nir"),
    ],
)
def test_mistakes_are_one_line(
    arguments: list[str], message: str, vit: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    monkeypatch.chdir(tmp_path)
    paper = REPOSITORY / "tests" / "golden" / "nir-paper" / "lif_norse.nir"
    line = [a.replace("OUT", str(vit)).replace("PAPER", str(paper)) for a in arguments]
    capsys.readouterr()
    assert main(line) == 2
    shown = capsys.readouterr().err
    assert message in shown and shown.count("\n") == 1
    assert not list(tmp_path.iterdir())


def replaced(name: str, **dataset: Any) -> Callable[[h5py.File, str], None]:
    """A change of a node's metadata."""

    def change(file: h5py.File, node: str) -> None:
        del file[f"{node}/metadata/{name}"]
        if dataset:
            file.create_dataset(f"{node}/metadata/{name}", **dataset)

    return change


def of_graph(name: str, **dataset: Any) -> Callable[[h5py.File, str], None]:
    return lambda file, node: replaced(name, **dataset)(file, "node")


def huge_weights(file: h5py.File) -> None:
    nodes: Any = file["node/nodes"]
    name = next(name for name in sorted(nodes) if "weight" in nodes[name])
    del nodes[f"{name}/weight"]
    nodes.create_dataset(f"{name}/weight", shape=(2**40,), dtype="f8", chunks=(1024,))


def of_stream(name: str, **dataset: Any) -> Callable[[h5py.File, str], None]:
    """A change of the first residual stream."""

    def change(file: h5py.File, node: str) -> None:
        nodes: Any = file["node/nodes"]
        stream = next(name for name in sorted(nodes) if f"{name}/metadata/mantissas" in nodes)
        replaced(name, **dataset)(file, f"node/nodes/{stream}")

    return change


def latest(file: h5py.File, node: str, steps: int | list[int]) -> None:
    content: Any = file[f"{node}/metadata"]
    content.create_dataset("latest", data=np.atleast_1d(steps))


DAMAGE: dict[str, tuple[Callable[[h5py.File, str], None], str]] = {
    "newer format": (of_graph("format", data=3), "this version reads format 2"),
    "format is text": (of_graph("format", data="one"), "format one"),
    "no such operation": (replaced("op", data="neurone"), "names no operation"),
    "no operands": (replaced("operands"), "no 'operands'"),
    "operand missing": (replaced("operands", data="9999.nothing"), "missing or comes later"),
    "its own operand": (replaced("operands", data="0000.x"), "missing or comes later"),
    "huge shape": (replaced("shape", data=[1, 10**9, 10**9]), "none of a sample"),
    "another shape": (replaced("shape", data=[1, 2, 3]), "its operands make"),
    "no shape": (replaced("shape"), "no 'shape'"),
    "wide potentials": (replaced("state_bits", data=10**6), "state_bits is 1000000"),
    "short table": (replaced("schedule/scale", data=[[0.5, 0.5]]), "scale"),
    "not a number": (replaced("schedule/scale", data=[np.nan]), "holds NaN"),
    "unknown schedule": (replaced("schedule/type", data="Later"), "unknown parameter type"),
    "many steps": (replaced("schedule/steps", data=2**40), ""),
    "a step beyond the window": (lambda file, node: latest(file, node, 99), "latest leaves 0"),
    "a step of no neuron": (lambda file, node: latest(file, node, [1] * 7), "latest of shape"),
    "a branch without mantissas": (of_stream("mantissas"), "mantissas of 0 operands"),
    "a mantissa too large": (of_stream("mantissas", data=np.full((1, 1, 1, 1), 128)), "mantissas leaves -127"),
    "missing node": (lambda file, node: file.__delitem__(node), "missing or comes later"),
    "huge weights": (lambda file, node: huge_weights(file), "declares shape"),
}  # fmt: skip


@pytest.mark.parametrize("what", DAMAGE)
def test_damaged_networks_are_one_line(
    what: str, stored: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    change, message = DAMAGE[what]
    file = tmp_path / "vit.nir"
    file.write_bytes(stored.read_bytes())
    with h5py.File(file, "r+") as content:
        nodes: Any = content["node/nodes"]
        node = next(name for name in sorted(nodes) if f"{name}/metadata/schedule" in nodes)
        change(content, f"node/nodes/{node}")
    assert main(["run", str(file), "--input", str(stored.with_name("eval.npz")), "--target", "closed-form"]) == 2
    shown = capsys.readouterr().err
    assert message in shown and shown.count("\n") == 1


@pytest.mark.parametrize("share", [0.0, 0.3, 0.99])
def test_truncated_networks_are_one_line(
    share: float, stored: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "vit.nir"
    content = stored.read_bytes()
    file.write_bytes(content[: int(share * len(content))])
    assert main(["run", str(file), "--input", str(stored.with_name("eval.npz")), "--target", "closed-form"]) == 2
    shown = capsys.readouterr().err
    assert "not readable as a NIR graph" in shown and shown.count("\n") == 1
