"""The one loop over batches."""

from __future__ import annotations

import numpy as np
import pytest

from processes.batches import slices, within


@pytest.mark.parametrize("total, size", [(0, 3), (1, 3), (3, 3), (7, 3), (7, 100)])
def test_every_sample_is_in_one_batch_in_order(total: int, size: int):
    told: list[tuple[int, int]] = []
    parts = list(slices(total, size, lambda done, of: told.append((done, of))))
    samples = np.arange(total)
    assert np.array_equal(np.concatenate([samples[part] for part in parts] or [samples[:0]]), samples)
    assert all(0 < part.stop - part.start <= size for part in parts)
    assert told == [(0, total), *((part.stop, total) for part in parts)]


def test_progress_is_told_when_a_batch_is_finished_not_when_it_begins():
    told: list[int] = []
    for part in slices(4, 2, lambda done, _: told.append(done)):
        assert told == list(range(0, part.stop, 2))
    assert told == [0, 2, 4]


def test_an_empty_batch_is_refused():
    with pytest.raises(ValueError, match="batch of 0 samples"):
        list(slices(4, 0))


def test_parts_of_a_work_are_told_as_one():
    told: list[tuple[int, int]] = []
    for part in range(3):
        progress = within(lambda done, of: told.append((done, of)), part, 3)
        assert progress is not None
        list(slices(4, 2, progress))
    assert told == [(done, 12) for done in (0, 2, 4, 4, 6, 8, 8, 10, 12)]
    assert within(None, 0, 3) is None
