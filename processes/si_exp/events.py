"""Events of SI-exp."""

from __future__ import annotations

from processes.events import Events, Visit, events, firing, growth, in_pairs, takes_part
from processes.si_exp import SiExp

growth.of(SiExp)(in_pairs)


@events.of(SiExp)
def _(op: SiExp, visit: Visit) -> Events:
    """With a clock, graded spikes find the largest of each row, as in WOSS; a spike rewrites its neuron's potential."""
    allowed = takes_part(op, visit)
    counted = firing(visit, op.steps, int(allowed.sum()))
    counted["potential_updates"] = counted["spikes"]
    if op.clock is not None:
        counted["compares"] += int(allowed.sum())
        counted["silent_compares"] += int(allowed.sum())
        counted["graded_spikes"] = int(allowed.sum()) + int(allowed.any(-1).sum())
    return counted
