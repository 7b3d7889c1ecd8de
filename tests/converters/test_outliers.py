"""Outlying columns of a layer have a synapse of their own, in integers, where that gives the others bits back."""

from __future__ import annotations

import functools
from dataclasses import replace
from typing import cast

import numpy as np
import pytest
import torch
from torch import nn

from converters.ingredients import ALL
from converters.outliers import outlying, outlying_columns, part_names, rows_apart, set_apart
from converters.pipeline import Conversion, convert_module
from deploy.energy import EventCounter
from evaluator import network_file, stepper
from evaluator.closed_form import ClosedForm
from evaluator.compare import compare
from processes.network import CalibratedNetwork, DenseSynapse, Network
from targets import lava_sim, probes
from tests.converters.modules import module
from tests.evaluator.test_golden_demo import GOLDEN

LARGE = (3, 40)
"""Hidden features of the network below that are seldom active, but far more than all others."""


def network() -> nn.Module:
    """Two layers; of the first's 64 features two are some 300 times as large as the others, once in a while."""
    model = module(lambda m, x: m.out(torch.relu(m.first(x))), first=nn.Linear(8, 64), out=nn.Linear(64, 6))
    first, out = cast(nn.Linear, model.first), cast(nn.Linear, model.out)
    with torch.no_grad():
        first.weight[LARGE, :] = 0
        first.weight[LARGE, 0] = 300.0  # what input 0 is for
        first.bias[[*LARGE]] = 0
        first.weight[:, 0] *= torch.tensor([1.0 if i in LARGE else 0.0 for i in range(64)])
        out.bias.zero_()
    return model


def inputs(number: int, seed: int = 0) -> np.ndarray:
    """Samples of 5 tokens, of which the first alone has what is large (N, 5, 8)."""
    x = np.random.default_rng(seed).normal(size=(number, 5, 8)).astype(np.float32)
    x[:, 0, 0], x[:, 1:, 0] = np.abs(x[:, 0, 0]) + 0.5, 0
    return x


@functools.cache
def converted(outliers: bool = True) -> Conversion:
    ingredients = replace(ALL, outliers=outliers)
    return convert_module(network(), [inputs(64)], 40, spikes=2, input_spikes=2, ingredients=ingredients)


def integers(outliers: bool = True) -> Network:
    fixed = converted(outliers).fixed
    assert fixed is not None
    return fixed


def real(network: Network, x: np.ndarray) -> np.ndarray:
    runner = ClosedForm(network)
    return runner.real(runner.run(x)).numpy().reshape(len(x), 5, 6)


def error(network: Network, wanted: np.ndarray) -> float:
    """Of the outputs of all tokens but the first, Euclidean, over the wanted ones'."""
    apart = real(network, inputs(16, seed=1))[:, 1:] - wanted[:, 1:]
    return float(np.linalg.norm(apart) / np.linalg.norm(wanted[:, 1:]))


def test_integers_err_less_with_outlying_columns_apart() -> None:
    """Next to floating point; it and the lowered network are the same with their columns apart."""
    wanted, plain = (real(converted(apart).calibrated, inputs(16, seed=1)) for apart in (True, False))
    np.testing.assert_allclose(wanted, plain, rtol=1e-4, atol=1e-4)
    assert part_names("out")[0] in integers().nodes and part_names("out")[0] not in integers(False).nodes
    assert error(integers(), wanted) < 0.25 * error(integers(False), wanted)


def test_other_columns_apart_gain_nothing() -> None:
    """Negative control: it is what outlies that has to go."""
    from converters.discretise import discretise
    from processes.chips import LOIHI2

    calibrated = converted(False).calibrated
    wanted = real(calibrated, inputs(16, seed=1))
    errors = [
        error(discretise(set_apart(calibrated, {"out": np.array(taken)}), inputs(64), LOIHI2), wanted)
        for taken in (LARGE, (5, 41))
    ]
    assert errors[0] < 0.25 * errors[1]


def test_every_weight_is_in_one_of_both_synapses() -> None:
    parts, whole = [integers()[name] for name in part_names("out")], integers(False)["out"]
    assert isinstance(whole, DenseSynapse)
    assert sum(part.weight.size for part in parts if isinstance(part, DenseSynapse)) == whole.weight.size
    assert [name for name, node in integers() if isinstance(node.op, DenseSynapse) and "first" in name] == ["first"]


def test_additions_are_those_of_the_weights() -> None:
    """A spike adds each weight once, and no weight but those that are 0; footprint and energy read these counts."""

    def operations(network: Network) -> float:
        counter = EventCounter(network)
        ClosedForm(network).run(inputs(4), counter)
        return counter.totals["synaptic_operations"]

    whole = operations(converted(False).calibrated)
    assert 0.95 * whole < operations(integers()) <= 1.01 * whole
    assert operations(integers(False)) < 0.9 * whole  # a weight that was rounded to 0 is none


def test_the_stepper_does_what_the_closed_form_says() -> None:
    run = stepper.run(integers(), inputs(3, seed=2))
    found = compare(integers(), inputs(3, seed=2), run)
    assert found.mismatches == 0 and found.compared_potentials > 500
    run.values[part_names("out")[0]][0, 0, 0, 0] += 1
    assert compare(integers(), inputs(3, seed=2), run).mismatches > 0


@pytest.mark.skipif(not probes.lava().available, reason="Lava is not installed")
def test_lava_does_what_the_closed_form_says() -> None:
    found = compare(integers(), inputs(2, seed=2), lava_sim.run(integers(), inputs(2, seed=2)))
    assert found.mismatches == 0 and found.compared_potentials > 300


def test_files_keep_it() -> None:
    again = Network.from_nir(integers().to_nir())
    assert again.nodes.keys() == integers().nodes.keys()
    np.testing.assert_array_equal(real(again, inputs(2)), real(integers(), inputs(2)))


def test_the_demo_has_no_outlying_column() -> None:
    """What it fires stays as it was."""
    assert outlying(network_file.read(GOLDEN / "float.nir")) == {}


def test_columns_are_found() -> None:
    """Those that outlie, and no more of them; none of Gaussian weights, of few columns, or where there is no weight at all."""
    weight = np.random.default_rng(0).normal(size=(64, 128))
    assert outlying_columns(weight).tolist() == [] and outlying_columns(np.zeros((4, 128))).tolist() == []
    weight[:, 70] *= 100
    assert outlying_columns(weight).tolist() == [70]
    weight[:, 7] *= 1000
    assert outlying_columns(weight).tolist() == [7, 70]
    assert outlying_columns(weight[:, 60:80]).tolist() == []


def test_rows_are_known_by_both_synapses() -> None:
    rows = {"a": np.zeros(3), "b": np.ones(3)}
    found = rows_apart(rows, {"b": np.array([1])})
    assert found.keys() == {"a", *part_names("b")} and all(found[part] is rows["b"] for part in part_names("b"))


def test_a_network_that_gains_nothing_stays_as_it_is() -> None:
    calibrated = converted(False).calibrated
    assert isinstance(set_apart(calibrated, {}), CalibratedNetwork)
    assert set_apart(calibrated, {}).nodes == calibrated.nodes
