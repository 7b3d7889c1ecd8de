"""`--help` teaches: every option is explained, every command has an example and a place in the list."""

from __future__ import annotations

from typing import Any

import pytest
from typer.main import get_command

from deploy.cli import main
from deploy.cli.app import PANELS, app

COMMANDS: dict[str, Any] = get_command(app).commands  # type: ignore[attr-defined]


@pytest.mark.parametrize("name", COMMANDS)
def test_a_command_explains_itself(name: str) -> None:
    command = COMMANDS[name]
    unexplained = [parameter.opts for parameter in command.params if not parameter.help]
    assert not unexplained, f"{name}: {unexplained}"
    assert f"deploy {name}" in command.help, "an example"


def test_commands_stand_in_the_order_in_which_they_are_met(capsys: pytest.CaptureFixture[str]) -> None:
    listed = [name for names in PANELS.values() for name in names]
    assert list(COMMANDS) == listed
    assert main(["--help"]) == 0
    shown = capsys.readouterr().out
    places = [shown.index(f" {title} ") for title in PANELS]
    assert places == sorted(places)


def test_a_shell_completes_commands_and_options(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for words, position, wanted in (("deploy ver", "1", "verify"), ("deploy convert --cal", "2", "--calib")):
        monkeypatch.setenv("_DEPLOY_COMPLETE", "complete_bash")
        monkeypatch.setenv("COMP_WORDS", words)
        monkeypatch.setenv("COMP_CWORD", position)
        with pytest.raises(SystemExit):
            app(prog_name="deploy", args=[])
        assert wanted in capsys.readouterr().out.split()
