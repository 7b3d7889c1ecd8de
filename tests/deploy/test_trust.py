"""A folder that somebody else made is opened without running anybody's code."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import typer

import deploy
from deploy.cli import main
from deploy.cli.app import app
from deploy.errors import DeployError
from deploy.sources import load_model

NET = """
from pathlib import Path
from torch import nn

Path({marker!r}).write_text("ran")

def build():
    return nn.Sequential(nn.Linear(4, 6), nn.ReLU(), nn.Linear(6, 3))
"""


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A conversion of a model from a Python file that leaves a mark whenever it is imported."""
    folder = tmp_path_factory.mktemp("stranger")
    (folder / "net.py").write_text(NET.format(marker=str(folder / "marker")))
    random = np.random.default_rng(0)
    for name in ("calib", "eval"):
        np.savez(folder / f"{name}.npz", x=random.random((12, 4), np.float32), y=np.arange(12) % 3)
    line = f"convert --model {folder}/net.py:build --calib {folder}/calib.npz --eval {folder}/eval.npz --timesteps 8"
    assert main(f"{line} --base 1.6 --target closed-form -o {folder}/out".split()) == 0
    (folder / "marker").unlink()
    return folder


COMMANDS = (
    "run {out} --target closed-form",
    "run {out} --target closed-form --input {data}",
    "verify {out} --samples 1",
    "evaluate {out} --workers 1 --limit 2",
    "evaluate {out} --workers 1 --limit 2 --data {data}",
    "export {out} --format loihi2 -o {new}",
    "export {out} --plain -o {new}.nir",
)
OTHERS = (
    "report {out}", "energy {out}", "compare {out} {out}", "place {out} --chip loihi2", "export {out} -o {new}.nir",
    "export {out} --segments -o {new}-segments",
)  # fmt: skip


@pytest.mark.parametrize("line", COMMANDS)
def test_no_command_imports_the_file_that_a_report_names(
    made: Path, tmp_path: Path, line: str, capsys: pytest.CaptureFixture[str]
) -> None:
    words = line.format(out=made / "out", data=made / "eval.npz", new=tmp_path / "new").split()
    assert main(words) == 2
    assert "would run its code" in capsys.readouterr().err and not (made / "marker").exists()


@pytest.mark.parametrize("line", OTHERS)
def test_commands_that_need_no_model_run_nothing(made: Path, tmp_path: Path, line: str) -> None:
    main(line.format(out=made / "out", new=tmp_path / "new").split())
    assert not (made / "marker").exists()


GIVEN = {"--figure": "energy", "--prompt": "a"}
"""Options that a command cannot do without and that name no file."""
ELSEWHERE = {"convert", "fit", "models", "sweep", "targets", "trained"}
"""Commands that take no folder; convert reads one's options (below)."""


def calls(folder: Path, new: Path) -> dict[str, list[str]]:
    """Every command of the application, as it is registered, on ``folder``; what it has to be told beside comes from GIVEN."""
    found: dict[str, list[str]] = {}
    for name, command in typer.main.get_command(app).commands.items():  # type: ignore[attr-defined]
        words = [name]
        takes = any(parameter.param_type_name == "argument" for parameter in command.params)
        for parameter in command.params if takes else ():
            if parameter.param_type_name == "argument":
                words += [str(folder)] * (2 if parameter.nargs == -1 else 1)
            elif parameter.required:
                option = max(parameter.opts, key=len)
                words += [option, str(new) if option == "--out" else GIVEN[option]]
        found[name] = words
    return found


def test_every_command_there_is(made: Path, tmp_path: Path) -> None:
    lines = calls(made / "out", tmp_path / "new.csv")
    assert {name for name, words in lines.items() if str(made / "out") not in words} == ELSEWHERE
    for name in lines.keys() - ELSEWHERE:
        main(lines[name])
        assert not (made / "marker").exists(), name


def test_a_file_of_options_runs_nothing(made: Path, capsys: pytest.CaptureFixture[str]) -> None:
    again = ["convert", "--config", str(made / "out" / "run.yaml"), "--force", "--dry-run"]
    assert main(again) == 2
    assert "would run its code" in capsys.readouterr().err and not (made / "marker").exists()
    for how in (["--trust"], ["--model", f"{made}/net.py:build"]):
        assert main([*again, *how]) == 0
        (made / "marker").unlink()


@pytest.mark.parametrize("text", ["model: !!python/object/apply:os.system [touch MARK]", "!!python/name:os.system : 1"])
def test_yaml_makes_no_objects(tmp_path: Path, text: str, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "run.yaml").write_text(text.replace("MARK", str(tmp_path / "marker")))
    assert main(["convert", "--config", str(tmp_path / "run.yaml")]) == 2
    assert "no readable YAML" in capsys.readouterr().err and not (tmp_path / "marker").exists()


def test_timm_is_not_told_where_to_fetch_pickles() -> None:
    for argument in ("checkpoint_path", "pretrained_cfg", "pretrained_cfg_overlay"):
        with pytest.raises(DeployError, match=f"{argument}: weights come from --weights"):
            load_model("timm:vit_tiny_patch16_224", "random", arguments={argument: "x.pth"})


@pytest.mark.parametrize("how", ["--trust", "--model {made}/net.py:build"])
@pytest.mark.parametrize("line", [COMMANDS[1], COMMANDS[3]])
def test_the_user_may_trust_it_or_name_it_anew(made: Path, how: str, line: str) -> None:
    words = f"{line} {how}".format(made=made, out=made / "out", data=made / "eval.npz").split()
    assert main(words) == 0
    assert (made / "marker").exists()  # so the tests above would have seen it
    (made / "marker").unlink()


def test_the_same_in_python(made: Path) -> None:
    x = np.zeros((1, 4), np.float32)
    with pytest.raises(DeployError, match="would run its code"):
        deploy.load(made / "out").evaluate(x)
    with pytest.raises(DeployError, match="would run its code"):
        load_model(f"{made}/net.py:build", trusted=False)
    assert not (made / "marker").exists()
    deploy.load(made / "out", trust=True).evaluate(x)
    (made / "marker").unlink()
