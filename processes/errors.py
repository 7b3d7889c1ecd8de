"""The exceptions that a user of this software is meant to read."""

from __future__ import annotations

from dataclasses import dataclass


class DeployError(Exception):
    """Something the user can put right.

    The message is one line that names the thing, the limit it breaks and the remedy. The command line
    prints it as `error: ...` and exits with code 2; no traceback is shown.
    """


@dataclass(frozen=True)
class Refusal:
    """Why a node cannot run.

    Attributes:
        node: name of the node.
        kind: type of the node, or kind of its operation.
        reason: why it cannot run, in words.
    """

    node: str
    kind: str
    reason: str


class UnsupportedGraph(DeployError):
    """A graph that cannot run; ``refusals`` has every reason, of which the message lists the first 20."""

    def __init__(self, refusals: list[Refusal]) -> None:
        self.refusals = refusals
        listed = "; ".join(f"{r.node} ({r.kind}): {r.reason}" for r in refusals[:20])
        more = f"; and {len(refusals) - 20} more" if len(refusals) > 20 else ""
        super().__init__(f"the NIR graph cannot run: {listed}{more}")
