"""The errors that `deploy` raises; the classes are defined in :mod:`processes.errors`, for all packages."""

from processes.errors import DeployError, Refusal, UnsupportedGraph

__all__ = ["DeployError", "Refusal", "UnsupportedGraph", "first_line"]


def first_line(error: BaseException) -> str:
    """First non-empty line of an exception's message, at most 200 characters; the class name if there is none."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[0][:200] if lines else type(error).__name__
