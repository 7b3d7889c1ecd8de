"""Wiring has no Lava Process: it is done in front of the operation that reads it."""

from processes.lava_process import process_of
from processes.routing import Route

process_of.refuse("it is wiring, done in front of the operation that reads it", Route)
