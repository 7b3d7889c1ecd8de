"""Routing: the stepper's gather is the closed form's view, for any chain of steps."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from processes.routing import Route, Step, apply, route_shape
from tests.processes.reference import batch, graded, random_codes, run, spikes


@st.composite
def chains(draw: st.DrawFn) -> tuple[tuple[int, ...], list[Step]]:
    """A sample shape with its leading 1, and up to five steps that fit it."""
    shape = (1, *draw(st.lists(st.integers(1, 4), min_size=1, max_size=3)))
    current, steps = shape, []
    for _ in range(draw(st.integers(0, 5))):
        axis = draw(st.integers(0, len(current) - 1))
        n = current[axis]
        match draw(st.sampled_from(["reshape", "permute", "slice", "pad", "roll", "expand", "take"])):
            case "reshape":
                size = math.prod(current)
                first = draw(st.sampled_from([d for d in range(1, size + 1) if size % d == 0]))
                step: Step = (
                    "reshape",
                    draw(st.sampled_from([[size], [first, -1], [1, first, size // first]])),
                )
            case "permute":
                step = ("permute", draw(st.permutations(range(len(current)))))
            case "slice":
                start = draw(st.integers(0, n - 1))
                step = ("slice", [axis, start, draw(st.integers(start + 1, n)), draw(st.integers(1, 3))])
            case "pad":
                axes = draw(st.integers(1, min(2, len(current))))
                step = ("pad", draw(st.lists(st.integers(0, 2), min_size=2 * axes, max_size=2 * axes)))
            case "roll":
                step = ("roll", [draw(st.lists(st.integers(-3, 3), min_size=1, max_size=1)), [axis]])
            case "expand":
                step = ("expand", [3 if size == 1 and a == axis else size for a, size in enumerate(current)])
            case _:
                step = ("take", [axis, draw(st.lists(st.integers(0, n - 1), min_size=1, max_size=4))])
        after = route_shape(current, (step,))
        if math.prod(after) > 300 or len(after) > 5:
            continue
        steps.append(step)
        current = after
    return shape, steps


def route(shape: tuple[int, ...], steps: list[Step], carries: str) -> Route:
    return Route(shape=route_shape(shape, tuple(steps)), steps=json.dumps(steps), source_shape=shape, carries=carries)


@settings(max_examples=60)
@given(chain=chains(), planes=st.integers(1, 2), seed=st.integers(0, 1000))
def test_gather_equals_view(chain: tuple, planes: int, seed: int) -> None:
    shape, steps = chain
    rng = np.random.default_rng(seed)
    codes = random_codes(rng, shape, 6, planes)
    op = route(shape, steps, "spikes")
    y = op.closed_form(batch(np.stack([codes, codes * 0], 1))).values  # a second sample stays its own
    assert y.shape == (planes, 2, *op.shape)
    assert (y[:, 1] == 0).all()
    assert (run(op, spikes(codes, 3, 6), planes=planes).codes == y[:, 0].numpy()).all()
    potentials = rng.integers(-1000, 1000, shape)
    op = route(shape, steps, "graded")
    y = op.closed_form(batch(np.stack([potentials, potentials + 1]))).values
    result = run(op, graded(potentials, 2))
    assert list(result.messages) == [2] and result.messages[2].dtype == potentials.dtype
    assert (result.last == y[0].numpy()).all()
    assert (op.ideal(batch(potentials[None]))[0] == y[0]).all()


def test_padding_is_silent() -> None:
    op = route((1, 2, 2), [("pad", [1, 1, 0, 1])], "spikes")
    y = op.closed_form(torch.ones((1, 1, 1, 2, 2), dtype=torch.int8)).values[0, 0, 0]
    assert y.dtype == torch.int8 and y.tolist() == [[0, 1, 1, 0], [0, 1, 1, 0], [0, 0, 0, 0]]
    stepped = run(op, spikes(np.ones((1, 1, 2, 2), np.int8), 0, 4))
    assert stepped.messages[0].dtype == np.int8 and (stepped.codes[0, 0] == y.numpy()).all()


@pytest.mark.parametrize("carries", ["spikes", "currents", "graded"])
def test_wiring_takes_no_time(carries: str) -> None:
    op = route((1, 3), [("roll", [[1], [1]])], carries)
    assert op.emits == carries
    result = run(op, spikes(np.array([[[1, 2, 0]]]), 5, 4))
    assert {t: m.tolist() for t, m in result.messages.items()} == {5: [[0, 1, 0]], 6: [[0, 0, 1]]}


def test_an_unknown_step_is_named() -> None:
    with pytest.raises(ValueError, match="'fold'"):
        route_shape((1, 3), (("fold", []),))


@pytest.mark.parametrize(
    "indices", [[*range(20), *range(25, 60)], [*range(30), 30, *range(30)], [59, *range(59)], [3, 1, 2, 2]]
)
def test_long_runs_of_entries_are_those_taken_one_by_one(indices: list[int]) -> None:
    """Entries of long runs are copied together: those before a gap, a repetition or a step back are not drawn along."""
    x = np.random.default_rng(0).integers(-9, 9, (2, 3, 60, 2))
    for axis, entries in ((1, indices), (0, [1, 0, 0])):
        expected = np.take(x, entries, axis + 1)
        assert (apply(torch.from_numpy(x), (("take", [axis, entries]),), 1).numpy() == expected).all()
