"""A route has no Lava Process: the Process of its reader routes what it receives."""

from processes.lava_process import process_of
from processes.routing import Route

process_of.refuse("it is wiring, done in front of the operation that reads it", Route)
