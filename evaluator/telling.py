"""Progress inside a batch: large networks take seconds for one, in which a bar has to move."""

from __future__ import annotations

import itertools

import torch

from evaluator.closed_form import ClosedForm, Observe
from processes.batches import Progress
from processes.operation import Operation, Result


def telling(
    runner: ClosedForm, part: slice, total: int, observe: Observe | None, progress: Progress | None
) -> Observe | None:
    """What observes a batch as ``observe`` does, and tells after every node how many of its samples that comes to.

    Args:
        runner: evaluates the batch.
        part: the batch's samples.
        total: samples in all.
        observe: sees every node; None if nobody does.
        progress: called with (samples done, samples in all), by what a batch's share of nodes amounts to in whole samples;
            the end of the batch is for :func:`processes.batches.slices` to tell.
    """
    if progress is None:
        return observe
    nodes, size, seen, told = len(runner.network.nodes), part.stop - part.start, itertools.count(1), 0

    def look(name: str, op: Operation, result: Result) -> torch.Tensor | None:
        nonlocal told
        done = size * next(seen) // (nodes + 1)
        if done > told:
            told = done
            progress(part.start + done, total)
        return None if observe is None else observe(name, op, result)

    return look
