"""Errors as a user of `deploy` meets them; the classes themselves live with lower packages."""

from processes.errors import DeployError, Refusal, UnsupportedGraph

__all__ = ["DeployError", "Refusal", "UnsupportedGraph", "first_line"]


def first_line(error: BaseException) -> str:
    """The first line of an exception's message that says something, for use in a one-line error."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[0][:200] if lines else type(error).__name__
