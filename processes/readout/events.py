"""Events of readouts."""

from __future__ import annotations

from processes.events import Events, Visit, events, growth, one_by_one
from processes.readout import Readout

growth.of(Readout)(one_by_one)


@events.of(Readout)
def _(op: Readout, visit: Visit) -> Events:
    """None: the graded spikes that carry its potentials are counted by :func:`processes.events.messages`."""
    return {}
