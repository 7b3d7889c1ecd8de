"""The application that commands are added to, and the handling of errors, signals and exit codes."""

from __future__ import annotations

import errno
import functools
import inspect
import os
import signal
import sys
import traceback
from collections.abc import Callable, Sequence
from types import FrameType
from typing import Annotated, Any

import typer
from typer.exceptions import Abort, TyperException

from deploy.cli.answer import ask_json
from deploy.errors import DeployError, UnsupportedGraph
from deploy.terminal import Terminal, plain
from deploy.verbosity import Verbosity, ask, verbosity

FAILED, MISUSED, INTERRUPTED, CLOSED, TERMINATED = 1, 2, 130, 141, 143
"""Exit codes: a check failed; an error that the user can put right; Ctrl-C; the output's reader has gone; SIGTERM."""
REMEDIES = {
    errno.ENOSPC: "make room, or choose another place",
    errno.EDQUOT: "make room, or choose another place",
    errno.EACCES: "get the right to it, or choose another place",
    errno.EPERM: "get the right to it, or choose another place",
    errno.EROFS: "choose another place",
    errno.ENAMETOOLONG: "give a shorter name",
    errno.EISDIR: "give a file",
    errno.ENOTDIR: "give a folder",
}
"""Remedies for errors of the operating system, by error number."""

Verbose = Annotated[
    bool, typer.Option("--verbose", "-v", help="Also say what each stage took, and where an error arose.")
]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="No progress and no notes: results, warnings, errors.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print the result as one JSON value, and no tables.")]


PANELS = {
    "Convert": ("check", "convert", "sweep", "trained"),
    "Look at what came of it": ("report", "compare", "energy", "place", "plot"),
    "Run it": ("run", "verify", "evaluate", "generate"),
    "Hand it on": ("export",),
    "What there is": ("targets", "models", "fit"),
}
"""Commands as `deploy --help` groups them, in the order in which a user meets them."""


class Application(typer.Typer):
    """An application whose commands all take --verbose, --quiet and --json."""

    def command(self, *names: Any, **settings: Any) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
        """Typer's decorator for a command, with the three options added.

        The command function does not receive them: :func:`deploy.verbosity.verbosity` and
        :func:`deploy.cli.answer.answered` know their values.
        """

        def decorate(command: Callable[..., Any]) -> Callable[..., Any]:
            panel = next(title for title, listed in PANELS.items() if command.__name__ in listed)
            register = super(Application, self).command(*names, rich_help_panel=panel, **settings)
            signature = inspect.signature(command, eval_str=True)

            @functools.wraps(command)
            def run(*, verbose: bool, quiet: bool, as_json: bool, **values: Any) -> Any:
                ask(verbose, quiet)
                ask_json(as_json)
                return command(**values)

            kind = inspect.Parameter.KEYWORD_ONLY
            known = [parameter.replace(kind=kind) for parameter in signature.parameters.values()]
            further = [
                inspect.Parameter(name, kind, default=False, annotation=annotation)
                for name, annotation in (("verbose", Verbose), ("quiet", Quiet), ("as_json", AsJson))
            ]
            run.__signature__ = signature.replace(parameters=[*known, *further])  # type: ignore[attr-defined]
            run.__annotations__ = {parameter.name: parameter.annotation for parameter in (*known, *further)}
            register(run)
            return command

        return decorate

    def arrange(self) -> None:
        """Sort the commands into the order of ``PANELS``, as they are registered in the order of their files' names."""
        order = [name for listed in PANELS.values() for name in listed]
        self.registered_commands.sort(key=lambda command: order.index(getattr(command.callback, "__name__", "")))


app = Application(
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    context_settings={"help_option_names": ["-h", "--help"]},
    help="Deploys trained transformers on neuromorphic hardware: converts them to spiking networks without "
    "retraining, runs them on a target and measures them.",
    epilog="First try: [bold]deploy convert -o out/demo[/bold] converts a bundled vision transformer; then "
    "[bold]deploy energy out/demo[/bold] says what it costs, and [bold]deploy verify out/demo[/bold] steps it spike by spike.",
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


def _remedy(message: str, words: Sequence[str]) -> str:
    """The remedy for a command line that Typer cannot parse."""
    command = next((word for word in words if word in typer.main.get_command(app).commands), None)  # type: ignore[attr-defined]
    if command is not None and words[0].startswith("-"):
        return f"options go behind the command: `deploy {command} {words[0]} ...`"
    if command == "convert" and "unexpected extra argument" in message:
        return f"options begin with dashes, the model too: `deploy convert --model {message.rpartition('(')[2].rstrip(').')}`"
    return "`deploy --help` and `deploy COMMAND --help` say what is known"


def _of_machine(error: OSError | MemoryError) -> str:
    """The message for an error of the operating system or lack of memory: one line with the cause and the remedy."""
    said = next((line for line in str(error).splitlines() if line.strip()), "")
    if isinstance(error, MemoryError):
        return f"not enough memory ({said or 'no more is given'}); give fewer samples or a smaller --batch-size"
    number = error.errno or (errno.ENOSPC if "No space left" in str(error) else 0)  # h5py gives no error number
    place = f"{error.filename}: " if error.filename is not None else ""
    remedy = REMEDIES.get(number, "check the path; --verbose says where this arose")
    return f"{place}{error.strerror or os.strerror(number) if number else said}; {remedy}"


def _compiling() -> float:
    """Seconds of kernel compilation so far; 0 if the module that counts them has not been imported."""
    kernels = sys.modules.get("processes.kernels.compiled")
    return 0.0 if kernels is None else kernels.compiling()


def _tell_compilation(seconds: float) -> None:
    """Print the seconds of kernel compilation, which a command's own times leave out, if they exceed 1 s."""
    if seconds > 1 and verbosity() is not Verbosity.QUIET:
        folder = sys.modules["processes.kernels.compiled"].cache_folder()
        print(
            f"compiling kernels took {seconds:.1f} s, which no other time holds; they are kept in {folder}",
            file=sys.stderr,
        )


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code; errors are printed as one line on the error stream.

    Args:
        arguments: words of the command line without the program's name; None takes those of the process.
    """
    before, compiled = signal.signal(signal.SIGTERM, _terminated), _compiling()
    ask(verbose=False, quiet=False)
    ask_json(False)
    try:
        code = app(args=None if arguments is None else list(arguments), standalone_mode=False)
        if code == INTERRUPTED:  # Typer returns this code for Ctrl-C and prints nothing
            raise KeyboardInterrupt
    except UnsupportedGraph as error:
        from deploy.console import refusals_table

        Terminal(stderr=True).print(refusals_table(error.refusals))
        print("error: the NIR graph cannot run; the table says why, node by node", file=sys.stderr)
        return MISUSED
    except (DeployError, TyperException) as error:
        if verbosity() is Verbosity.VERBOSE:
            traceback.print_exc()
        message = error.format_message() if isinstance(error, TyperException) else str(error)
        message = plain(" ".join(message.split()))
        if message and isinstance(error, TyperException):
            message = f"{message.rstrip('.')}; {_remedy(message, sys.argv[1:] if arguments is None else arguments)}"
        if message:  # empty if no command was given, which prints the help
            print(f"error: {message}", file=sys.stderr)
        return MISUSED
    except BrokenPipeError:  # `deploy ... | head`: the reader has gone; no message
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return CLOSED
    except (OSError, MemoryError) as error:
        if verbosity() is Verbosity.VERBOSE:
            traceback.print_exc()
        print(f"error: {_of_machine(error)}", file=sys.stderr)
        return MISUSED
    except (KeyboardInterrupt, Abort):
        print("interrupted", file=sys.stderr)
        return INTERRUPTED
    except SystemExit as leaving:
        if leaving.code == TERMINATED:
            print("terminated", file=sys.stderr)
        raise
    finally:
        signal.signal(signal.SIGTERM, before)
        _tell_compilation(_compiling() - compiled)
    return code if isinstance(code, int) else 0
