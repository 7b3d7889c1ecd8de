"""Errors as a user of `deploy` meets them; the class itself lives with the lowest package."""

from processes.errors import DeployError

__all__ = ["DeployError"]
