"""The one exception that a user of this software is meant to read."""


class DeployError(Exception):
    """Something the user can put right.

    The message is one line that names the thing, the limit it breaks and the remedy. The command line
    prints it as `error: ...` and exits with code 2; no traceback is shown.
    """
