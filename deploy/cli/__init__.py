"""The `deploy` command: a file per kind of command, each no more than options, one call, and what is shown of it."""

from deploy.cli import (  # noqa: F401  # each adds its commands
    check,
    convert,
    export,
    generate,
    look,
    measure,
    plot,
    run,
    trained,
)
from deploy.cli.app import app, main

app.arrange()

__all__ = ["main"]
