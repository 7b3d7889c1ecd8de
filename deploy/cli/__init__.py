"""The `deploy` command: a module per kind of command, each with its options, one call, and the output of its result."""

from deploy.cli import (  # noqa: F401  # importing a module registers its commands
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
