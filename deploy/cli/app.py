"""The application that commands are added to, and what becomes of errors and signals."""

from __future__ import annotations

import signal
import sys
from collections.abc import Sequence
from types import FrameType
from typing import Annotated

import typer
from rich.console import Console
from typer.exceptions import Abort, TyperException

from deploy.errors import DeployError, UnsupportedGraph

FAILED, MISUSED, INTERRUPTED, TERMINATED = 1, 2, 130, 143
"""Exit codes: a check that did not hold; an error that the user can put right; Ctrl-C; SIGTERM."""

app = typer.Typer(
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    context_settings={"help_option_names": ["-h", "--help"]},
    help="Deploys trained transformers on neuromorphic hardware: converts them to spiking networks without "
    "retraining, runs them on a target and measures them.",
    epilog="First try: [bold]deploy convert --target lava-sim[/bold] converts a bundled vision transformer.",
)


def _version(asked: bool) -> None:
    if asked:
        from deploy import __version__

        print(__version__)
        raise typer.Exit


@app.callback()
def _common(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    pass


def _terminated(signum: int, frame: FrameType | None) -> None:
    # As an exception, so that unfinished output folders and child processes are cleaned up.
    raise SystemExit(TERMINATED)


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command line and returns its exit code; errors are one line on the error stream."""
    before = signal.signal(signal.SIGTERM, _terminated)
    try:
        code = app(args=None if arguments is None else list(arguments), standalone_mode=False)
    except UnsupportedGraph as error:
        from deploy.console import refusals_table

        Console(stderr=True).print(refusals_table(error.refusals))
        print("error: the NIR graph cannot run; the table says why, node by node", file=sys.stderr)
        return MISUSED
    except (DeployError, TyperException) as error:
        message = error.format_message() if isinstance(error, TyperException) else str(error)
        message = " ".join(message.split())
        if message and isinstance(error, TyperException):
            message = f"{message.rstrip('.')}; `deploy --help` and `deploy COMMAND --help` say what is known"
        if message:  # empty where a missing command was answered by the help
            print(f"error: {message}", file=sys.stderr)
        return MISUSED
    except (KeyboardInterrupt, Abort):
        print("interrupted", file=sys.stderr)
        return INTERRUPTED
    finally:
        signal.signal(signal.SIGTERM, before)
    return code if isinstance(code, int) else 0
