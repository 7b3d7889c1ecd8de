"""The `deploy` command: a file per kind of command, each no more than options, one call, and what is shown of it."""

from deploy.cli import check, convert, export, generate, look, measure, run, trained  # noqa: F401  # each adds its commands
from deploy.cli.app import main

__all__ = ["main"]
