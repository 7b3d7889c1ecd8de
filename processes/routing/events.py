"""Events of wiring: none, as it is neither neurons nor synapses."""

from __future__ import annotations

from processes.events import events, growth
from processes.routing import Route

events.always({}, Route)
growth.refuse("it causes no events", Route)
