"""Events of residual streams and of centring."""

from __future__ import annotations

from processes.events import Events, Visit, events, growth, one_by_one
from processes.residual import Centre, Residual

growth.of(Residual, Centre)(one_by_one)


@events.of(Residual)
def _(op: Residual, visit: Visit) -> Events:
    """Each compartment is multiplied and added to the sum once: one potential update for each branch and neuron."""
    return {"potential_updates": visit.size * len(visit.inputs)}


@events.of(Centre)
def _(op: Centre, visit: Visit) -> Events:
    """The mean neuron sums a row and sends the mean back as one graded spike; every neuron of the row subtracts it."""
    return {"potential_updates": 2 * visit.size, "graded_spikes": visit.rows}
