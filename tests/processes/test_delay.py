"""NIR's delay: each element by its own number of steps, whatever the batches of the messages that are due together."""

from __future__ import annotations

import numpy as np

from processes.nir_nodes.maps import Delay


def test_a_message_of_every_sample_meets_one_that_is_the_same_for_all() -> None:
    """A bias alone is sent as (1, *shape), spikes of samples as (N, *shape)."""
    delay = Delay(np.array([0, 1]))
    samples, bias = np.array([[1.0, 2.0], [3.0, 4.0]]), np.array([[5.0, 6.0]])
    first, second, third = delay.step(samples), delay.step(bias), delay.step(samples)
    assert first is not None and second is not None and third is not None
    assert np.array_equal(first, [[1, 0], [3, 0]])
    assert np.array_equal(second, [[5, 2], [5, 4]])
    assert np.array_equal(third, [[1, 6], [3, 6]])


def test_nothing_is_sent_where_nothing_is_due() -> None:
    delay = Delay(np.array([0, 2]))
    assert delay.step(None) is None
    assert np.array_equal(delay.step(np.ones((1, 2))), [[1, 0]])  # type: ignore[arg-type]
    assert delay.step(None) is None
    assert np.array_equal(delay.step(None), [[0, 1]])  # type: ignore[arg-type]
    delay.reset()
    assert delay.step(None) is None
