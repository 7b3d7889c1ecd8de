"""Mistakes of a kind that is easily made: the message names the option that is wrong, and what to do; help comes at once."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from deploy.cli import main
from deploy.errors import DeployError
from deploy.options import ConvertOptions, choices
from deploy.origin import Origin
from deploy.sources import load_model, timm_names

SLOW = tuple(f"deploy.{name}" for name in (
    "api", "check_tables", "compare", "console", "evaluation", "fitting", "nir_files", "plot", "sweep", "trained.run",
))  # fmt: skip
"""Modules of ours that import them."""
HEAVY = ("torch", "transformers", "timm", "nir", "scipy", "numba", "lava")


def refused(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    assert main(list(arguments)) == 2
    return capsys.readouterr().err


@pytest.mark.parametrize("option", ["--calib", "--eval", "--labels"])
def test_a_path_that_is_not_there_is_laid_to_its_own_option(
    option: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    paths = {name: tmp_path / f"{name[2:]}.npz" for name in ("--calib", "--eval", "--labels")}
    for name, path in paths.items():
        if name != option:
            path.touch()
    given = [text for name, path in paths.items() for text in (name, str(path))]
    message = refused(capsys, "convert", *given)
    assert message.startswith(f"error: {option} {paths[option]}: no such file")
    assert not any(name in message for name in paths if name != option)


def test_data_of_a_run_is_not_called_eval(tmp_path: Path) -> None:
    with pytest.raises(DeployError, match=r"^/.*there\.npz: no such file or folder; check the path of the data$"):
        Origin(ConvertOptions()).load(tmp_path / "there.npz", None)  # type: ignore[arg-type]


def test_a_missing_file_and_a_missing_folder_have_different_remedies(capsys: pytest.CaptureFixture[str]) -> None:
    assert "`deploy export OUT -o snn.nir`" in refused(capsys, "place", "snn.nir")
    assert "`deploy convert -o snn`" in refused(capsys, "place", "snn")


def test_a_folder_of_a_model_is_told_by_its_configuration(tmp_path: Path) -> None:
    (tmp_path / "clf").mkdir()
    with pytest.raises(DeployError, match=r"not a model specification") as found:
        load_model(str(tmp_path / "clf"))
    assert "did you mean" not in str(found.value)
    (tmp_path / "clf" / "config.json").write_text("{}")
    with pytest.raises(DeployError, match=rf"did you mean hf:{tmp_path}/clf\?"):
        load_model(str(tmp_path / "clf"))
    with pytest.raises(DeployError, match=r"did you mean net\.py:FUNCTION\?"):
        load_model("net.py")


@pytest.mark.parametrize("option", ["-h", "--help"])
def test_short_and_long_help(option: str, capsys: pytest.CaptureFixture[str]) -> None:
    for arguments in ([option], ["run", option]):
        assert main(arguments) == 0
        assert "Usage" in capsys.readouterr().out


LIGHT = {
    "help": ["--help"],
    "convert": ["convert", "--timesteps", "0"],
    "run": ["run", "x.nir", "--target", "nowhere"],
    "evaluate": ["evaluate", "x", "--workers", "0"],
    "verify": ["verify", "x", "--samples", "0"],
    "sweep": ["sweep", "-o", "s", "--timesteps", "8", "--method", "none"],
    "fit": ["fit", "--function", "none"],
    "trained": ["trained", "--model", "none.py:Net", "--data", "x.npz"],
    "check": ["check", "hf:./none"],
    "timm": ["check", "timm:vit_tinny"],
    "form": ["convert", "--model", "vit_tiny_patch16_224"],
    "weights": ["convert", "--weights", "none.pt"],
    "calib": ["convert", "--model", "timm:vit_tiny_patch16_224"],
    "data": ["convert", "--calib", __file__],
    "nir": ["check", __file__],
    "graph": ["run", __file__, "--target", "stepper"],
    "source": ["check", f"{__file__}:{'z' * 9}"],
    "plot": ["plot", "none", "--figure", "energy", "-o", "x.svg"],
    "export": ["export", "none", "-o", "x.nir"],
    "energy": ["energy", "none"],
    "place": ["place", "none", "--chip", "none"],
    "compare": ["compare", "none", "none"],
    "report": ["report", "none"],
}


def loaded(arguments: list[str]) -> set[str]:
    """Packages that take long to import and were imported all the same."""
    code = (
        "import sys, contextlib, io\nfrom deploy.cli import main\n"
        f"with contextlib.redirect_stdout(io.StringIO()):\n    main({arguments!r})\n"
        f"print(*(name for name in {HEAVY!r} if name in sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return set(done.stdout.split())


@pytest.mark.parametrize("name", LIGHT)
def test_help_and_refusals_wait_for_no_import(name: str) -> None:
    assert loaded(LIGHT[name]) == set()


def test_names_of_timm_are_those_that_it_registers() -> None:
    import timm

    assert set(timm_names.registered()) == set(timm.list_models())
    assert not timm_names.perhaps_known("vit_tinny")
    known = (
        "vit_tiny_patch16_224",
        "vit_tiny_patch16_224.augreg_in21k",
        "vit_tiny_patch16_224_in21k",
    )  # a tag; an old name
    assert all(timm.is_model(name) and timm_names.perhaps_known(name) for name in known)


def test_names_that_are_checked_early_are_those_of_the_code() -> None:
    from deploy import plot
    from processes.si_exp import table
    from targets import nir_plain
    from targets.placement import chip

    assert tuple(plot.FIGURES) == choices.FIGURES
    assert tuple(table.FUNCTIONS) == choices.FUNCTIONS
    assert tuple(nir_plain.DIALECTS) == choices.DIALECTS
    assert choices.CHIPS == chip.NAMES


def test_a_nir_file_runs_without_pytorch(tmp_path: Path) -> None:
    import nir

    nir.write(tmp_path / "net.nir", nir.NIRGraph.from_list(nir.Linear(np.ones((2, 3)))))
    np.savez(tmp_path / "x.npz", x=np.ones((1, 2, 3)))
    run = ["run", str(tmp_path / "net.nir"), "--input", str(tmp_path / "x.npz"), "--target", "closed-form"]
    assert loaded(run) & {"torch", "transformers", "timm", "numba", "lava"} == set()
    # the control: it is noticed where it is imported
    (tmp_path / "net.py").write_text("build = None")
    assert "torch" in loaded(["check", f"{tmp_path}/net.py:build"])


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("-v convert", "options go behind the command: `deploy convert -v ...`"),
        ("--target lava-sim run out", "`deploy run --target ...`"),
        ("convert net.py:build", "`deploy convert --model net.py:build`"),
        ("convert --calib nowhere", "--calib nowhere: no such file or folder"),
        ("convert --eval nowhere.csv", "--eval nowhere.csv: no such file or folder"),
        ("convert --model nowhere.py:build --calib {here}/d.npz", "nowhere.py: no such file"),
        ("convert --model hf:./nowhere --calib {here}/d.npz", "hf:./nowhere: no such file or folder"),
        ("convert -o {here}/d.npz", "d.npz: is a file; choose a folder"),
        ("convert -o {here}", "holds other files"),
        ("run nowhere", "nowhere: no such folder"),
        ("run {here}/d.npz --input {here}/net.nir", "d.npz: is data, no network"),
        ("run {here}/net.nir --input nowhere.npz", "--input nowhere.npz: no such file"),
        ("run {here}/net.nir --output {here}/x/o.npz", "o.npz: its folder does not exist"),
        ("verify {here}", "holds no graph.nir and report.json"),
        ("evaluate {here}", "holds no graph.nir and report.json"),
        ("generate {here} --prompt a", "holds no graph.nir and report.json"),
        ("export {here}/net.nir -o {here}/other.nir", "net.nir: is a file; give a folder that deploy convert wrote"),
        ("energy {here}", "holds no graph.nir and report.json"),
        ("compare {here}", "1 conversion is nothing to compare"),
        ("plot nowhere --figure energy -o x.txt", "-o x.txt: ends in none of .svg, .pdf, .png, .csv"),
        ("fit --range 1 0", "--range 1 0: give 2 steps or more and LOW below HIGH"),
        ("sweep -o {here}", "holds something else than a sweep"),
        ("sweep -o {here}/d.npz", "d.npz: is a file; choose a folder"),
        ("sweep -o s --calib nowhere", "--calib nowhere: no such file or folder"),
        ("trained --model nowhere.py:Net --data {here}/d.npz", "nowhere.py: no such file"),
        ("trained --model {here}/net.py:Net --data nowhere.npz", "--data nowhere.npz: no such file"),
        ("trained --model {here}/net.py:Net --data {here}/d.npz -o {here}", "holds other files"),
        ("check nowhere.nir", "nowhere.nir: no such file"),
    ],
)
def test_mistakes_that_paths_show_are_refused_before_anything_heavy(
    tmp_path: Path, line: str, words: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("d.npz", "net.nir", "net.py"):
        (tmp_path / name).write_bytes(b"")
    for heavy in SLOW:
        monkeypatch.setitem(sys.modules, heavy, None)  # so that importing it fails
    assert main(line.format(here=tmp_path).split()) == 2
    assert words in capsys.readouterr().err
