"""Events of routes: none, as wiring has neither neurons nor synapses."""

from __future__ import annotations

from processes.events import events, growth
from processes.routing import Route

events.always({}, Route)
growth.refuse("it causes no events", Route)
