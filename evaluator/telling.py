"""Reports progress inside a batch: large networks take seconds for one, during which a progress bar has to move."""

from __future__ import annotations

import itertools

import torch

from evaluator.closed_form import ClosedForm, Observe
from processes.batches import Progress
from processes.operation import Operation, Result


def telling(
    runner: ClosedForm, part: slice, total: int, observe: Observe | None, progress: Progress | None
) -> Observe | None:
    """An observer that does what ``observe`` does and reports progress after every node of a batch.

    Args:
        runner: evaluates the batch.
        part: the samples of the batch, as a slice of all.
        total: number of samples in all.
        observe: the observer to call for every node; None for none.
        progress: called with (samples done, samples in all), where the share of nodes evaluated counts as that share of
            the batch's samples, in whole numbers; :func:`processes.batches.slices` reports the batch's end.
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
