"""What reports say about routes."""

from __future__ import annotations

from processes.routing import Route
from processes.words import NotSpikes, kind, meaning, not_spikes, role

meaning.always("wiring: reshape, transpose, select and the like", Route)
kind.always("wiring", Route)
role.refuse("it is wiring, which takes no time", Route)
not_spikes.always(
    NotSpikes("Routes", "reshape, transpose, select and the like are wiring: no neuron, no time step"), Route
)
