"""Footprint of wiring: none; what lies behind it reaches its readers as if it were not there."""

from __future__ import annotations

from processes.footprint import drivers, fans, layout, neurons
from processes.routing import Route

WIRING = "it is wiring, which readers look through to what lies behind it"

neurons.refuse(WIRING, Route)
fans.refuse(WIRING, Route)
drivers.refuse(WIRING, Route)
layout.always("rows", Route)
