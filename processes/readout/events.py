"""Events of readouts."""

from __future__ import annotations

from processes.events import Events, Visit, events
from processes.readout import Readout


@events.of(Readout)
def _(op: Readout, visit: Visit) -> Events:
    """Its potentials are the messages that are counted already."""
    return {}
