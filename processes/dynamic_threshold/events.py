"""Events that dynamic-threshold neurons cause in a run, counted from its spikes."""

from __future__ import annotations

import torch

from processes.dynamic_threshold import DynamicThreshold
from processes.events import Events, Quantity, Visit, distinct_steps, events, firing, growth, in_pairs, one_by_one


@events.of(DynamicThreshold)
def _(op: DynamicThreshold, visit: Visit) -> Events:
    """Every comparison takes a product for its threshold; each row's sum reaches its neurons as one graded spike.

    After softmax the sum is added up here: an addition per spike of e, an update of a row per step with a spike.
    """
    counted = firing(visit, op.steps, visit.size, op.latest)
    counted |= {"threshold_products": counted["compares"], "graded_spikes": visit.rows}
    if op.squared:
        return counted | {"potential_updates": visit.size if visit.emits[0] == "graded" else 0}
    codes = visit.inputs[1]
    updates = distinct_steps(codes, visit.length(1))
    return counted | {"synaptic_operations": int(torch.count_nonzero(codes)), "potential_updates": updates}


@growth.of(DynamicThreshold)
def _(op: DynamicThreshold, quantity: Quantity, event: str) -> int:
    """After softmax a row's sum is over tokens, so its additions and transfers grow with pairs of tokens."""
    pairs = not op.squared and event in ("synaptic_operations", "transfers")
    return in_pairs(op, quantity, event) if pairs else one_by_one(op, quantity, event)
