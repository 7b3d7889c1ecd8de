"""Bars: a stage that begins anew has one of its own, and bars move inside a batch of a large network."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from deploy.progress import Advance, Progress, stages
from processes.batches import joined


class Recorded(Progress):
    """Remembers bars: title, length, and how far each came."""

    def __init__(self) -> None:
        self.bars: list[list[str | int | None]] = []

    @contextlib.contextmanager
    def stage(self, title: str, total: int | None = None) -> Iterator[Advance]:
        bar: list[str | int | None] = [title, total, 0]
        self.bars.append(bar)

        def advance(units: int) -> None:
            bar[2] += units  # type: ignore[operator]

        yield advance


def test_a_stage_that_begins_anew_gets_a_bar_of_its_own() -> None:
    progress = Recorded()
    with stages(progress) as report:
        for done in (0, 2, 3):
            report("round", done, 3)
        report("round", 1, 2)
        report("round", 2, 2)
    assert progress.bars == [["round", 3, 3], ["round", 2, 2]]


def test_kinds_of_work_are_told_together() -> None:
    told: list[tuple[int, int]] = []
    first, second = joined(lambda done, total: told.append((done, total)), 2, 3)
    assert first is not None and second is not None
    for part, done in ((first, 1), (first, 2), (second, 3)):
        part(done, 0)
    assert told == [(1, 5), (2, 5), (5, 5)]
    assert joined(None, 2, 3) == [None, None]
