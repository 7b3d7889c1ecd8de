"""Folding samples and their parameters into the loops' (rows, A, M, D)."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import assume, given
from hypothesis import strategies as st

from processes.phase_neuron import PhaseNeuron
from processes.phase_neuron.schedule import FloatSchedule
from processes.spikes import foldable, parameter_axes

lengths = st.lists(st.integers(1, 4), min_size=1, max_size=5)


@given(shape=lengths, data=st.data())
def test_parameters_reach_their_own_neurons(shape: list[int], data: st.DataObject) -> None:
    """Each neuron meets the parameter that broadcasting would give it, or the fold is refused."""
    varying = data.draw(st.lists(st.booleans(), min_size=len(shape), max_size=len(shape)))
    parameter = tuple(n if v else 1 for n, v in zip(shape, varying, strict=True))
    values = np.arange(np.prod(parameter)).reshape(parameter)
    try:
        axes = parameter_axes(tuple(shape), parameter)
    except ValueError as error:
        assert "do not fold" in str(error)
        groups = [v for n, v in zip(shape, varying, strict=True) if n > 1]
        changes = sum(a and not b for a, b in zip([*groups, False], [*groups[1:], False, False], strict=True))
        assert changes > 2 or (changes == 2 and not groups[-1]), "two groups of axes have to fold"
        return
    a, m, d = axes
    full = torch.from_numpy(np.broadcast_to(values, (2, *shape)).copy())
    folded = full.reshape(-1, *axes).numpy()
    assert folded.shape[1:] == (a, m, d)
    assert values.size in (1, a * d)
    neuron = np.arange(a)[:, None, None] * d + np.arange(d)
    assert (folded == (neuron if values.size > 1 else 0)).all()


@given(shape=lengths, data=st.data())
def test_neurons_fire_against_their_own_threshold(shape: list[int], data: st.DataObject) -> None:
    varying = data.draw(st.lists(st.booleans(), min_size=len(shape), max_size=len(shape)))
    parameter = tuple(n if v else 1 for n, v in zip(shape, varying, strict=True))
    rng = np.random.default_rng(0)
    scale = rng.uniform(0.1, 3, parameter)
    try:
        parameter_axes(tuple(shape), parameter)
    except ValueError:
        assume(False)
    op = PhaseNeuron(
        shape=tuple(shape),
        schedule=FloatSchedule(function="identity", scale=scale, unit=np.ones(parameter), base=1.4, steps=8),
    )
    v = rng.normal(0, 1, (3, *shape))
    codes = op.closed_form(torch.from_numpy(v)).values.numpy()[0]
    midpoints = op.schedule.code.midpoints
    reached = np.abs(v)[..., None] >= (scale[..., None] * midpoints)
    expected = np.where(reached.any(-1), (reached.argmax(-1) + 1) * np.sign(v), 0)
    assert (codes == expected).all()


@given(shape=lengths, data=st.data())
def test_any_parameter_folds_once_its_last_axes_have_full_length(shape: list[int], data: st.DataObject) -> None:
    parameter = tuple(n if data.draw(st.booleans()) else 1 for n in shape)
    found = foldable(tuple(shape), parameter)
    parameter_axes(tuple(shape), found)
    assert np.broadcast_shapes(found, parameter) == found and np.broadcast_shapes(found, tuple(shape)) == tuple(shape)
    try:
        parameter_axes(tuple(shape), parameter)
    except ValueError:
        assert found != parameter
    else:
        assert found == parameter


def test_scales_of_pairs_within_heads_need_their_last_axis() -> None:
    """As where queries are rotated in neighbouring pairs: 4 heads, 9 tokens, 4 pairs of 2."""
    shape, parameter = (1, 4, 9, 4, 2), (1, 4, 1, 4, 1)
    with pytest.raises(ValueError, match="do not fold"):
        parameter_axes(shape, parameter)
    assert foldable(shape, parameter) == (1, 4, 1, 4, 2)


def test_parameters_of_another_rank_are_refused() -> None:
    with pytest.raises(ValueError):
        parameter_axes((1, 3, 4), (4,))
