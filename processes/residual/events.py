"""Events of residual streams and of centring."""

from __future__ import annotations

from processes.events import Events, Visit, events, growth, one_by_one
from processes.residual import Centre, Residual

growth.of(Residual, Centre)(one_by_one)


@events.of(Residual)
def _(op: Residual, visit: Visit) -> Events:
    """The compartments of its branches are multiplied and added up once, as a potential is at a step by its trace."""
    return {"potential_updates": visit.size * len(visit.inputs)}


@events.of(Centre)
def _(op: Centre, visit: Visit) -> Events:
    """The mean neuron adds up a row and sends the mean back, which every neuron of the row subtracts."""
    return {"potential_updates": 2 * visit.size, "graded_spikes": visit.rows}
