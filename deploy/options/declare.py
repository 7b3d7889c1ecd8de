"""Declaration of options: fields of a dataclass, whose annotations hold what the command line needs to know."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from deploy.errors import DeployError

# Headings under which the help groups options.
MODELS = "Models and data"
CODE = "Spike code"
RUNS = "Runs"
NIR = "Standard NIR graphs"


def option(text: str, panel: str | None = None, *names: str, parser: Callable[[str], Any] | None = None) -> Any:
    """Annotation of a field that is an option on the command line.

    Args:
        text: the help.
        panel: heading in the help under which the option stands.
        names: names of the option, if not made from the field's.
        parser: converts the option's text to its value.
    """
    return typer.Option(*names, help=text, rich_help_panel=panel, parser=parser)


TRUST = "Import the Python file that the folder's report names as its model, which runs its code."
OVERLAP = "Feed samples as closely as the network's timing allows, several in flight; targets stepper and lava-sim."
STATE_SETS = "With --overlap: most samples that a neuron holds at once. \\[default: 1]"
MODEL_ANEW = "The original model, as for convert, in place of the one that the folder's report names."
Folder = Annotated[Path, typer.Argument(help="A folder that convert wrote.")]
Trusted = Annotated[bool, typer.Option("--trust", help=TRUST)]
Anew = Annotated[str | None, typer.Option("--model", help=MODEL_ANEW)]


def read_base(text: str) -> float | Literal["auto"]:
    """Parse --base: a number or "auto"; raises DeployError for any other text."""
    return _number_or_auto("base", float, text, "a number above 1 and at most 2")


def read_spikes(text: str) -> int | Literal["auto"]:
    """Parse --spikes: a whole number or "auto"; raises DeployError for any other text."""
    return _number_or_auto("spikes", int, text, "1, 2, 3")


def read_timesteps(text: str) -> int | Literal["auto"]:
    """Parse --timesteps: a whole number or "auto"; raises DeployError for any other text."""
    return _number_or_auto("timesteps", int, text, "a whole number of steps, as 40,")


def _number_or_auto(name: str, kind: Callable[[str], Any], text: str, meant: str) -> Any:
    if text == "auto":
        return "auto"
    try:
        return kind(text)
    except ValueError as error:
        raise DeployError(f"--{name} {text}: give {meant} or auto") from error
