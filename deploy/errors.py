"""Errors as a user of `deploy` meets them; the classes themselves live with lower packages."""

from processes.errors import DeployError, Refusal, UnsupportedGraph

__all__ = ["DeployError", "Refusal", "UnsupportedGraph"]
