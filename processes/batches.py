"""The one loop over batches: consecutive slices of samples, with progress told after each."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator

Progress = Callable[[int, int], None]
"""Called with how many samples are done, and how many there are."""


def within(progress: Progress | None, part: int, parts: int) -> Progress | None:
    """A callback for part ``part`` of ``parts`` equal parts of a task, which reports progress of the whole task."""
    return None if progress is None else lambda done, total: progress(part * total + done, parts * total)


def joined(progress: Progress | None, *sizes: int) -> list[Progress | None]:
    """Callbacks for several kinds of work of the given sizes, which report what is done of all of them together."""
    if progress is None:
        return [None] * len(sizes)
    done = [0] * len(sizes)

    def tell(kind: int, reached: int, _: int) -> None:
        done[kind] = reached
        progress(sum(done), sum(sizes))

    return [functools.partial(tell, kind) for kind in range(len(sizes))]


def slices(total: int, size: int, progress: Progress | None = None) -> Iterator[slice]:
    """Slices of at most ``size`` that cover ``range(total)`` in order; the last may be shorter.

    Args:
        total: how many samples there are.
        size: most samples of a batch, at least 1.
        progress: called with 0 done at first, then whenever the caller has finished a batch, the last one included.

    Raises:
        ValueError: ``size`` is less than 1.
    """
    if size < 1:
        raise ValueError(f"a batch of {size} samples; at least 1 is needed")
    if progress is not None:
        progress(0, total)
    for start in range(0, total, size):
        stop = min(start + size, total)
        yield slice(start, stop)
        if progress is not None:
            progress(stop, total)
