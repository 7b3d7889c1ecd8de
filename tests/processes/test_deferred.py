"""Arrays that are computed at each use: the same numbers as those that are kept, and no memory between two uses."""

from __future__ import annotations

import gc
import pickle
import weakref

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from converters.pipeline import convert_module
from processes.deferred import Deferred, multiplied, rounded
from processes.network import CalibratedNetwork, DenseSynapse, LoweredNetwork


def _pair(seed: int = 0, shape: tuple[int, ...] = (6, 4)) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    return rng.normal(size=shape).astype(np.float32), rng.normal(size=shape[1:])


@given(st.integers(0, 2**32 - 1))
def test_products_are_rounded_at_each_stage_as_if_they_were_kept(seed: int) -> None:
    weight, gain = _pair(seed)
    scale = np.exp(gain)
    once = multiplied(weight, gain, np.float64)
    np.testing.assert_array_equal(np.asarray(once), weight * gain)
    single = rounded(once, np.float32)
    kept = (weight * gain).astype(np.float32)
    np.testing.assert_array_equal(np.asarray(single), kept)
    twice = multiplied(single, scale, np.float32)
    np.testing.assert_array_equal(np.asarray(twice), (kept * scale).astype(np.float32))
    assert (once.dtype, single.dtype, twice.dtype) == (np.float64, np.float32, np.float32)


def test_one_product_of_both_factors_would_be_other_numbers() -> None:
    """The control of the test above: rounding between the factors tells."""
    weight, gain = _pair(shape=(64, 64))
    kept = (weight * gain).astype(np.float32) * np.exp(gain)
    assert (kept.astype(np.float32) != (weight * (gain * np.exp(gain))).astype(np.float32)).any()


def test_a_deferred_array_is_used_like_any_other() -> None:
    weight, gain = _pair()
    kept, made = (weight * gain).astype(np.float32), multiplied(weight, gain, np.float32)
    assert (made.shape, made.ndim, made.size, len(made)) == (kept.shape, kept.ndim, kept.size, len(kept))
    for found, wanted in (
        (made[1:, [0, 2]], kept[1:, [0, 2]]), (made * gain, kept * gain), (2 - made, 2 - kept), (made >= 0, kept >= 0),
        (np.abs(made).sum(0), np.abs(kept).sum(0)), (np.add.reduce(made, axis=1), np.add.reduce(kept, axis=1)),
        (np.asarray(made, np.float64), kept.astype(np.float64)), (made.T, kept.T), (made.reshape(-1), kept.reshape(-1)),
        (pickle.loads(pickle.dumps(made)), kept),
    ):  # fmt: skip
        np.testing.assert_array_equal(found, wanted)


def test_factors_that_change_later_change_nothing() -> None:
    weight, gain = _pair()
    made = multiplied(weight, gain, np.float32)
    before = np.asarray(made)
    gain[:] = 0
    np.testing.assert_array_equal(np.asarray(made), before)
    assert before.any()


def test_what_reads_memory_refuses_it() -> None:
    """It has none: an array of wrong numbers would be a silent error."""
    with pytest.raises(TypeError):
        torch.from_numpy(multiplied(*_pair(), np.float32))
    with pytest.raises(AttributeError, match="a deferred array has no __array_interface__"):
        multiplied(*_pair(), np.float32).__array_interface__  # noqa: B018


def test_nothing_is_kept_between_two_uses() -> None:
    alive: list[weakref.ref[np.ndarray]] = []

    def make(dtype: np.dtype) -> np.ndarray:
        made = np.ones((3, 4), dtype)
        alive.append(weakref.ref(made))
        return made

    op = DenseSynapse(
        shape=(3,), weight=Deferred(make, (3, 4), np.float32), bias=np.zeros(3), trace=np.ones(1)  # type: ignore[arg-type]
    )  # fmt: skip
    x = torch.ones(2, 4)
    for _ in range(2):
        torch.testing.assert_close(op.ideal(x), torch.full((2, 3), 4.0), rtol=0, atol=0)
    gc.collect()
    assert len(alive) == 2 and not any(ref() is not None for ref in alive)


def test_a_network_that_keeps_its_weights_is_the_same() -> None:
    weight, gain = _pair()
    network = LoweredNetwork((4,))
    op = DenseSynapse(shape=(6,), weight=multiplied(weight, gain, np.float32), bias=np.zeros(6), trace=np.ones(1))
    network.add("dense", op, network.INPUT)
    kept = network.kept()
    found, before = kept["dense"], network["dense"]
    assert isinstance(found, DenseSynapse) and isinstance(before, DenseSynapse)
    assert isinstance(found.weight, np.ndarray) and isinstance(before.weight, Deferred)
    np.testing.assert_array_equal(found.weight, np.asarray(before.weight))
    x = torch.linspace(-1, 1, 4)[None]
    assert torch.equal(found.ideal(x), before.ideal(x))


def test_conversions_hold_no_copy_of_the_weights() -> None:
    """Of a floating-point network that was made on the way to integers; the one that was asked for keeps its own."""
    torch.manual_seed(0)
    layers = torch.nn.LayerNorm(8), torch.nn.Linear(8, 16), torch.nn.GELU(), torch.nn.Linear(16, 4)
    module, samples = torch.nn.Sequential(*layers).eval(), np.random.default_rng(0).normal(size=(4, 5, 8))
    samples = samples.astype(np.float32)

    def deferred(network: CalibratedNetwork) -> bool:
        found = [isinstance(op.weight, Deferred) for _, node in network if isinstance(op := node.op, DenseSynapse)]
        assert len(set(found)) == 1
        return found[0]

    assert deferred(convert_module(module, [samples], 8, 1.5).calibrated)
    assert not deferred(convert_module(module, [samples], 8, 1.5, fixed=False).calibrated)
