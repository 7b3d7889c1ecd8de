"""Footprint of routes: none; the operation behind a route reaches the route's readers directly."""

from __future__ import annotations

from processes.footprint import drivers, fans, layout, neurons
from processes.routing import Route

WIRING = "it is wiring, which readers look through to what lies behind it"

neurons.refuse(WIRING, Route)
fans.refuse(WIRING, Route)
drivers.refuse(WIRING, Route)
layout.always("rows", Route)
